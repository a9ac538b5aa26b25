"""Datasets in the embedded server, answers by a host that has none: the strict hosts have no datasets."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import reka
from tests.support.clients import KEY, Connect
from tests.support.strict_host import CHAT, StrictHost
from tests.support.strict_hosts import model_with_tools
from tests.support.strict_reka import V0_CHAT, StrictReka

QUESTION = "What is on the glass table?"
WEATHER = {
    "name": "weather",
    "description": "Tells the weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def reka_host() -> Iterator[StrictHost]:
    """A host of the form in which the client sends tools."""
    with StrictReka() as host:
        yield host


def test_the_documented_example_of_retrieval_runs_on_a_host_without_datasets(
    host: StrictHost, place: str, alice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REKA_DATASETS", place)
    reka.API_KEY, reka.BASE_URL = "APIKEY", host.url

    reka.add_dataset(str(alice), "alice", "A story")
    last = reka.wait_for_retrieval(reka.prepare_retrieval("alice"))
    answer = reka.chat(QUESTION, retrieval_dataset="alice", model_name=model_with_tools(host))
    history: list[Any] = [{"type": "human", "text": QUESTION}, answer]
    again = reka.chat(
        "What has the Rabbit?",
        conversation_history=history,
        retrieval_dataset="alice",
        model_name=model_with_tools(host),
    )

    assert last.is_complete()
    assert "golden key" in answer["text"]
    chunk = (answer.get("retrieved_chunks") or [])[0]
    assert "golden key" in chunk["text"]
    assert chunk.get("source") == "alice.txt"
    assert "watch" in again["text"]
    assert reka.list_datasets() == ["alice"]
    assert reka.delete_dataset("alice")["ok"] is True
    assert reka.list_datasets() == []
    assert set(host.paths) <= {V0_CHAT, CHAT}


def test_a_stream_and_messages_answer_from_the_dataset_too(
    connect: Connect, host: StrictHost, place: str, alice: Path
) -> None:
    with connect(KEY, host.url, datasets=place) as client:
        name = client.ensure_dataset("alice", files=[alice])
        streamed = list(client.stream(QUESTION, retrieval_dataset=name, model_name=model_with_tools(host)))
        completion = client.complete(
            [{"role": "user", "content": QUESTION}],
            model=model_with_tools(host),
            extra_request_args={"retrieval_dataset": name, "retrieval_top_k": 1},
        )
        chunks = client.retrieve(QUESTION, name, k=1)

    assert "golden key" in "".join(event.text for event in streamed)
    assert len(streamed) > 2
    assert streamed[-1].retrieved_chunks is not None
    assert "golden key" in completion.text
    assert completion.retrieved_chunks == chunks
    assert chunks[0].get("source") == "alice.txt"


def test_tools_and_retrieval_go_together_in_one_streamed_call(
    connect: Connect, host: StrictHost, place: str, alice: Path
) -> None:
    messages: list[reka.Message] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": f"{QUESTION} And the weather in 'Bern'?"},
    ]
    options: reka.CompletionOptions = {"tools": [WEATHER], "model": model_with_tools(host)}

    with connect(KEY, host.url, datasets=place) as client:
        options["extra_request_args"] = {"retrieval_dataset": client.ensure_dataset("alice", files=[alice])}
        *events, finish = client.stream_messages(messages, **options)
        deltas = [event for event in events if isinstance(event, reka.ToolCallDelta)]
        call = {"id": deltas[0].id, "name": deltas[0].name, "arguments": "".join(one.arguments for one in deltas)}
        messages += [
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": "4 °C"},
        ]
        *_, last = client.stream_messages(messages, **options)

    assert (call["name"], json.loads(call["arguments"])) == ("weather", {"city": "Bern"})
    for end in (finish, last):
        assert isinstance(end, reka.Finish)
        assert end.retrieved_chunks is not None
        assert "golden key" in end.retrieved_chunks[0]["text"]
    first, second = (request.json for request in host.requests[-2:])
    assert "golden key" in str(first["messages"])
    assert str(first["messages"][-1])[:-1] in str(second["messages"])
    assert "retrieval_dataset" not in first


def test_datasets_on_this_machine_need_no_key_and_send_the_host_nothing(
    connect: Connect, host: StrictHost, place: str, alice: Path
) -> None:
    with connect(base_url=host.url, datasets=place) as client:
        client.add_folder(alice.parent, "alice")
        job_id = client.prepare_retrieval("alice")
        client.wait_for_retrieval(job_id)
        assert client.retrieval_job_status(job_id).is_complete()
        assert len(client.retrieve(QUESTION, "alice", k=1)) == 1
        with pytest.raises(reka.AuthError, match="no API key"):
            client.chat(QUESTION, retrieval_dataset="alice")

    assert host.requests == []


def test_the_hosts_key_and_the_embedded_servers_go_to_their_own_server_alone(
    connect: Connect, reka_host: StrictHost, place: str, local_folder: Path, alice: Path
) -> None:
    with connect(KEY, reka_host.url, datasets=place) as client:
        client.chat(QUESTION, retrieval_dataset=client.ensure_dataset("alice", files=[alice]))

    local_key = (local_folder / "key").read_text()
    (request,) = reka_host.requests
    assert request.headers["x-api-key"] == KEY
    assert local_key not in str(request.headers)


@pytest.mark.parametrize("name", ["bob", "alice"])
def test_a_dataset_that_is_missing_or_not_prepared_is_a_retrieval_error_and_the_host_is_not_asked(
    connect: Connect, host: StrictHost, place: str, alice: Path, name: str
) -> None:
    with connect(KEY, host.url, datasets=place) as client:
        client.add_dataset(alice, "alice")
        with pytest.raises(reka.RetrievalError, match=name):
            client.chat(QUESTION, retrieval_dataset=name)
        with pytest.raises(reka.RetrievalError, match="bob"):
            client.prepare_retrieval("bob")

    assert host.requests == []


def test_nothing_is_started_before_a_dataset_is_used(connect: Connect, reka_host: StrictHost, tmp_path: Path) -> None:
    folder = tmp_path / "data"

    with connect(KEY, reka_host.url, datasets=f"local:{folder}") as client:
        client.chat("Hi")
        client.get_models()

    assert not folder.exists()


@pytest.mark.parametrize("use", ["list_datasets", "chat"])
async def test_an_event_loop_goes_on_while_the_embedded_server_starts(
    reka_host: StrictHost, tmp_path: Path, use: str
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    another_process = FileLock(folder / "starting")
    another_process.acquire()

    async with reka.AsyncReka(KEY, reka_host.url, datasets=f"local:{folder}") as client:
        call = client.list_datasets() if use == "list_datasets" else client.chat(QUESTION, retrieval_dataset="bob")
        waiting = asyncio.create_task(call)
        # Runs after the call has begun to wait for the lock: a loop that is blocked never comes to it.
        asyncio.get_running_loop().call_soon(another_process.release)
        if use == "list_datasets":
            assert await waiting == []
        else:
            with pytest.raises(reka.RetrievalError, match="bob"):
                await waiting


def test_where_the_host_is_that_embedded_server_it_answers_itself(connect: Connect, place: str, alice: Path) -> None:
    with connect(base_url=place) as plain:
        name = plain.ensure_dataset("alice", files=[alice])
        expected = plain.chat(QUESTION, retrieval_dataset=name)

    for datasets in ("local", place):
        with connect(base_url=place, datasets=datasets) as client:
            assert client.list_datasets() == [name]
            assert client.chat(QUESTION, retrieval_dataset=name) == expected


def test_a_question_without_words_is_answered_all_the_same(
    connect: Connect, reka_host: StrictHost, place: str, alice: Path
) -> None:
    with connect(KEY, reka_host.url, datasets=place) as client:
        name = client.ensure_dataset("alice", files=[alice])
        answer = client.chat("", "https://x.example/a.png", retrieval_dataset=name)

    assert answer.get("retrieved_chunks") is not None


@pytest.mark.parametrize("use", ["list_datasets", "chat"])
def test_left_alone_a_client_says_what_the_host_lacks_and_sends_no_more(
    connect: Connect, host: StrictHost, use: str
) -> None:
    with connect(KEY, host.url) as client:
        with pytest.raises(reka.UnsupportedRequestError, match=f"{host.url} has no datasets.*datasets=.local.*serve"):
            client.list_datasets() if use == "list_datasets" else client.chat(QUESTION, retrieval_dataset="alice")
        before = host.paths
        with pytest.raises(reka.UnsupportedRequestError):
            list(client.stream(QUESTION, retrieval_dataset="alice"))

    assert host.paths == before


def test_a_folder_that_cannot_be_one_is_refused_under_the_arguments_name(
    connect: Connect, host: StrictHost, alice: Path
) -> None:
    with connect(KEY, host.url, datasets=f"local:{alice}") as client:
        for use in (client.list_datasets, lambda: client.chat(QUESTION, retrieval_dataset="alice")):
            with pytest.raises(reka.InvalidArgumentError, match=r"^datasets: the local server cannot keep its data in"):
                use()


def test_without_the_servers_packages_the_error_names_the_extra(tmp_path: Path) -> None:
    script = """
import sys
sys.modules["filelock"] = None
import reka
try:
    reka.Reka("key", datasets=f"local:{sys.argv[1]}").list_datasets()
except reka.InvalidArgumentError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "data")], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("datasets: 'local:")
    assert "the extra `server`, reka[server]" in done.stdout
