"""Hosts that have no datasets: how they are told from hosts without this one dataset, and what the error says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reka
from reka.testing import FakeReka, answer
from tests.support.clients import KEY, Connect
from tests.support.completions import HI, TOOL

LIST, CHAT, ROOT = "GET /datasets", "POST /chat", "GET /"
MISSING = {"detail": "Not Found"}
IN_A_DATASET: reka.ChatOptions = {"retrieval_dataset": "alice"}

Use = Callable[[reka.Reka, Path], object]
"""Uses a dataset; the path is that of a text file."""

USES: dict[str, Use] = {
    "POST /datasets": lambda client, path: client.add_dataset(path, "alice"),
    "DELETE /datasets/alice": lambda client, _: client.delete_dataset("alice"),
    "POST /datasets/alice/prepare-retrieval": lambda client, _: client.prepare_retrieval("alice"),
    "GET /jobs/prepare-retrieval/j/status": lambda client, _: client.retrieval_job_status("j"),
}
NAMED = {
    "DELETE /datasets/alice": reka.DatasetError,
    "POST /datasets/alice/prepare-retrieval": reka.RetrievalError,
    "GET /jobs/prepare-retrieval/j/status": reka.RetrievalError,
}
CHATS: dict[str, Use] = {
    "chat": lambda client, _: client.chat("Who?", **IN_A_DATASET),
    "stream": lambda client, _: list(client.stream("Who?", **IN_A_DATASET)),
    "complete": lambda client, _: client.complete(HI, extra_request_args=IN_A_DATASET),
    "complete-with-tools": lambda client, _: client.complete(HI, tools=[TOOL], extra_request_args=IN_A_DATASET),
    "stream_messages": lambda client, _: list(client.stream_messages(HI, extra_request_args=IN_A_DATASET)),
}
OTHERS: dict[str, Use] = {
    "list_datasets": lambda client, _: client.list_datasets(),
    "add_folder": lambda client, path: client.add_folder(path.parent, "alice"),
    "wait_for_retrieval": lambda client, _: client.wait_for_retrieval("j"),
    "retrieve": lambda client, _: client.retrieve("Who?", "alice"),
    "ensure_dataset": lambda client, _: client.ensure_dataset("alice", texts=["Who?"]),
}


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "texts" / "alice.txt"
    path.parent.mkdir()
    path.write_text("Alice")
    return path


@pytest.mark.parametrize("status", [404, 405, 410])
@pytest.mark.parametrize("request_line", USES)
def test_the_error_names_the_host_what_it_lacks_and_two_ways_out(
    client: reka.Reka, fake: FakeReka, text_file: Path, request_line: str, status: int
) -> None:
    fake.otherwise = answer(status, MISSING)

    with pytest.raises(reka.UnsupportedRequestError) as caught:
        USES[request_line](client, text_file)

    assert fake.paths == [request_line, LIST]
    assert f"{fake.url} has no datasets" in caught.value.message
    assert LIST in caught.value.message
    assert 'datasets="local"' in caught.value.message
    assert "reka serve" in caught.value.message


@pytest.mark.parametrize("use", [OTHERS["list_datasets"], OTHERS["ensure_dataset"]], ids=["list", "ensure"])
def test_a_list_that_is_missing_is_asked_for_once(client: reka.Reka, fake: FakeReka, text_file: Path, use: Use) -> None:
    fake.otherwise = answer(404, MISSING)

    with pytest.raises(reka.UnsupportedRequestError):
        use(client, text_file)

    assert fake.paths == [LIST]


@pytest.mark.parametrize("use", [*USES.values(), *OTHERS.values(), *CHATS.values()], ids=[*USES, *OTHERS, *CHATS])
def test_a_host_known_to_have_no_datasets_is_sent_nothing_more(
    client: reka.Reka, fake: FakeReka, text_file: Path, use: Use
) -> None:
    fake.will_answer(404, MISSING)
    with pytest.raises(reka.UnsupportedRequestError):
        client.list_datasets()

    with pytest.raises(reka.UnsupportedRequestError, match="has no datasets"):
        use(client, text_file)

    assert fake.paths == [LIST]


@pytest.mark.parametrize("request_line", NAMED)
def test_a_dataset_or_job_that_is_not_there_is_the_error_it_always_was_and_asked_about_once(
    client: reka.Reka, fake: FakeReka, text_file: Path, request_line: str
) -> None:
    fake.will_answer(404, {"detail": "no alice"})
    fake.will_answer(200, ["bob"])
    fake.will_answer(404, {"detail": "no alice"})

    for _ in range(2):
        with pytest.raises(NAMED[request_line], match="404: no alice"):
            USES[request_line](client, text_file)

    assert fake.paths == [request_line, LIST, request_line]


def test_a_host_whose_datasets_were_listed_is_not_asked_again(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, [])
    fake.will_answer(404, {"detail": "no alice"})

    client.list_datasets()
    with pytest.raises(reka.DatasetError):
        client.delete_dataset("alice")

    assert fake.paths == [LIST, "DELETE /datasets/alice"]


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_host_that_does_not_say_may_have_datasets_and_is_asked_the_next_time(
    connect: Connect, fake: FakeReka, status: int
) -> None:
    for _ in range(2):
        fake.will_answer(404, {"detail": "no alice"})
        fake.will_answer(status, {"detail": "not now"})

    with connect(KEY, fake.url, max_retries=0) as client:
        for _ in range(2):
            with pytest.raises(reka.DatasetError, match="404: no alice"):
                client.delete_dataset("alice")

    assert fake.paths == ["DELETE /datasets/alice", LIST] * 2


def test_other_errors_ask_nothing(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(400, {"detail": "Retrieval has already been prepared for dataset alice"})

    with pytest.raises(reka.RetrievalError, match="already been prepared"):
        client.prepare_retrieval("alice")

    assert fake.paths == ["POST /datasets/alice/prepare-retrieval"]


@pytest.mark.parametrize(
    ("use", "before"),
    [("chat", []), ("stream", [ROOT]), ("complete", [ROOT]), ("stream_messages", [ROOT])],
)
@pytest.mark.parametrize("status", [404, 405, 410])
def test_a_chat_over_a_dataset_of_a_host_that_has_neither_is_told_so(
    client: reka.Reka, fake: FakeReka, text_file: Path, use: str, before: list[str], status: int
) -> None:
    fake.otherwise = answer(status, MISSING)

    with pytest.raises(reka.UnsupportedRequestError, match="has no datasets"):
        CHATS[use](client, text_file)

    assert fake.paths == [*before, CHAT, LIST]


def test_a_chat_over_a_dataset_that_is_not_there_is_a_retrieval_error(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(404, {"detail": "no alice"})
    fake.will_answer(200, ["bob"])

    with pytest.raises(reka.RetrievalError, match="404: no alice"):
        client.chat("Who?", retrieval_dataset="alice")

    assert fake.paths == [CHAT, LIST]


def test_a_chat_without_a_dataset_is_no_concern_of_it(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(404, MISSING)
    fake.will_answer(200, {"type": "model", "text": "Hello"})
    with pytest.raises(reka.UnsupportedRequestError):
        client.list_datasets()

    assert client.chat("Hi")["text"] == "Hello"


def test_with_datasets_host_the_hosts_own_error_stands(connect: Connect, fake: FakeReka) -> None:
    fake.otherwise = answer(404, MISSING)

    with connect(KEY, fake.url, datasets="host") as client:
        with pytest.raises(reka.NotFoundError):
            client.list_datasets()
        with pytest.raises(reka.RetrievalError):
            client.chat("Who?", retrieval_dataset="alice")

    assert fake.paths == [LIST, CHAT]


def test_the_environment_is_read_at_each_call_and_an_argument_goes_before_it(
    connect: Connect, fake: FakeReka, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.otherwise = answer(404, MISSING)

    with connect(KEY, fake.url) as ambient, connect(KEY, fake.url, datasets="auto") as explicit:
        monkeypatch.setenv("REKA_DATASETS", "host")
        with pytest.raises(reka.NotFoundError):
            ambient.list_datasets()
        with pytest.raises(reka.UnsupportedRequestError):
            explicit.list_datasets()
        monkeypatch.setenv("REKA_DATASETS", "")
        with pytest.raises(reka.UnsupportedRequestError):
            ambient.list_datasets()


@pytest.mark.parametrize("datasets", ["Host", "locally", "", 7, "https://api.reka.ai"])
def test_another_place_is_refused_at_once(connect: Connect, datasets: Any) -> None:
    with pytest.raises(reka.InvalidArgumentError) as caught:
        connect(KEY, datasets=datasets)

    assert caught.value.message == f"datasets: got {datasets!r}, want 'auto', 'host', 'local' or 'local:PATH'"


def test_another_place_in_the_environment_is_refused_under_its_name_by_calls_that_use_datasets(
    client: reka.Reka, fake: FakeReka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REKA_DATASETS", "here")
    fake.will_answer(200, {"type": "model", "text": "Hello"})

    for use in (client.list_datasets, lambda: client.chat("Who?", retrieval_dataset="alice")):
        with pytest.raises(reka.InvalidArgumentError, match="REKA_DATASETS: got 'here', want 'auto'"):
            use()

    assert client.chat("Hi")["text"] == "Hello"
    assert fake.paths == [CHAT]
