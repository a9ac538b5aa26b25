"""Texts that UTF-8 cannot write, since they have half a character of UTF-16, are refused before anything is sent.

The texts of turns are sent, as reka-api 2 does.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reka
from reka.testing import FakeReka

BAD = "caf\udce9"
NOTE: list[dict[str, Any]] = [{"id": "a", "text": "b"}]
HUMAN: dict[str, Any] = {"type": "human", "text": "Hi"}
ASKED: list[Any] = [{"role": "user", "content": "Hi"}]
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string", "description": BAD}}}


def _call(**fields: Any) -> list[Any]:
    call = {"id": "1", "name": "f", "arguments": {}, **fields}
    return [*ASKED, {"role": "assistant", "tool_calls": [call]}]


USES: list[tuple[str, Callable[[reka.Reka], object]]] = [
    (
        "conversation_history[0]['media_url']",
        lambda client: client.chat(conversation_history=[{**HUMAN, "media_url": f"https://example.org/{BAD}"}]),
    ),
    ("media_url", lambda client: client.chat("Hi", f"https://example.org/{BAD}")),
    ("model_name", lambda client: client.chat("Hi", model_name=BAD)),
    ("stop_words[1]", lambda client: client.chat("Hi", stop_words=["END", BAD])),
    ("extra_request_args['user']", lambda client: client.chat("Hi", extra_request_args={"user": BAD})),
    ("extra_request_args", lambda client: client.chat("Hi", extra_request_args={BAD: 1})),
    ("retrieval_dataset", lambda client: client.chat("Hi", retrieval_dataset=BAD)),
    (
        "retrieval_filter['lang']",
        lambda client: client.chat("Hi", retrieval_dataset="alice", retrieval_filter={"lang": BAD}),
    ),
    ("messages[0]['content']", lambda client: client.complete([{"role": "user", "content": BAD}])),
    (
        "messages[1]['content']",
        lambda client: list(
            client.stream_messages([{"role": "system", "content": "Be short."}, {"role": "user", "content": BAD}])
        ),
    ),
    (
        "messages[0]['content'][1]['text']",
        lambda client: client.complete(
            [{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": BAD}]}]
        ),
    ),
    (
        "messages[0]['content']",
        lambda client: client.complete([{"role": "user", "content": BAD}], retrieval_dataset="alice"),
    ),
    (
        "messages[1]['tool_calls'][0]['function']['arguments']",
        lambda client: client.complete(_call(arguments={"city": BAD})),
    ),
    ("messages[1]['tool_calls'][0]['id']", lambda client: client.complete(_call(id=BAD))),
    (
        "messages[2]['content']",
        lambda client: client.complete([*_call(), {"role": "tool", "tool_call_id": "1", "content": BAD}]),
    ),
    ("tools[0]['description']", lambda client: client.complete(ASKED, tools=[{"name": "f", "description": BAD}])),
    (
        "tools[0]['parameters']['properties']['city']['description']",
        lambda client: client.complete(ASKED, tools=[{"name": "f", "parameters": SCHEMA}]),
    ),
    (
        "response_format['json_schema']['schema']['properties']['city']['description']",
        lambda client: client.complete(
            ASKED, response_format={"type": "json_schema", "json_schema": {"name": "f", "schema": SCHEMA}}
        ),
    ),
    ("model", lambda client: client.complete(ASKED, model=BAD)),
    ("stop[0]", lambda client: client.complete(ASKED, stop=BAD)),
    ("query", lambda client: client.retrieve(BAD, "alice")),
    ("filter['lang']['$in'][0]", lambda client: client.retrieve("Hi", "alice", filter={"lang": {"$in": [BAD]}})),
    ("filter", lambda client: client.delete_documents("alice", filter={BAD: 1})),
    ("ids[1]", lambda client: client.get_documents("alice", ["a", BAD])),
    ("ids[0]", lambda client: client.delete_documents("alice", [BAD])),
    ("texts[1]", lambda client: client.embed(["a", BAD])),
    ("model", lambda client: client.embed(["a"], model=BAD)),
    ("documents[1]['text']", lambda client: client.put_documents("alice", [*NOTE, {"id": "b", "text": BAD}])),
    ("documents[0]['source']", lambda client: client.put_documents("alice", [{**NOTE[0], "source": BAD}])),
    (
        "documents[0]['metadata']['by']",
        lambda client: client.put_documents("alice", [{**NOTE[0], "metadata": {"by": {BAD: 1}}}]),
    ),
    ("dataset", lambda client: client.put_documents(BAD, NOTE)),
    ("name", lambda client: client.add_dataset(__file__, BAD)),
    ("description", lambda client: client.add_dataset(__file__, "alice", BAD)),
    ("name", lambda client: client.ensure_dataset(BAD, texts=["a"])),
    ("texts: 'text-000001.txt'", lambda client: client.ensure_dataset("alice", texts=[BAD])),
    ("texts: the name 'caf\\udce9'", lambda client: client.ensure_dataset("alice", texts={BAD: "a"})),
    ("name", lambda client: client.describe_dataset(BAD)),
    ("name", lambda client: client.describe_model(BAD)),
    ("dataset_name", lambda client: client.prepare_retrieval(BAD)),
    ("job_id", lambda client: client.retrieval_job_status(BAD)),
]
"""The place that the error names, and what is given such a text there."""

UPLOADS: dict[str, Callable[[reka.Reka, Path], object]] = {
    "filepath": lambda client, folder: client.add_dataset(next(folder.iterdir()), "alice"),
    "folder": lambda client, folder: client.add_folder(folder, "alice"),
    "files": lambda client, folder: client.ensure_dataset("alice", files=folder),
}


@pytest.mark.parametrize(("place", "use"), USES)
def test_a_text_that_utf8_cannot_write_is_refused_by_its_place(
    place: str, use: Callable[[reka.Reka], object], client: reka.Reka, fake: FakeReka
) -> None:
    with pytest.raises(reka.InvalidArgumentError) as caught:
        use(client)

    assert caught.value.message.startswith(f"{place}: got the lone surrogate '\\udce9' at index ")
    assert fake.requests == []


@pytest.mark.parametrize("argument", UPLOADS)
def test_a_file_whose_name_is_not_utf8_is_refused_by_its_name(
    argument: str, client: reka.Reka, fake: FakeReka, tmp_path: Path
) -> None:
    try:
        (tmp_path / f"{BAD}.txt").write_text("a")
    except OSError:
        pytest.skip("files have no such names here")

    with pytest.raises(reka.InvalidArgumentError) as caught:
        UPLOADS[argument](client, tmp_path)

    assert caught.value.message.startswith(f"{argument}: the name 'caf\\udce9.txt': got the lone surrogate")
    assert fake.requests == []


def test_a_text_of_any_other_characters_is_sent_as_it_is(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_say("ok")
    text = "\0\x7f\x80é€\ud7ff\ue000\ufeff\uffff𝄞\U0010ffff"

    client.chat(text)

    assert fake.requests[0].json["conversation_history"][0]["text"] == text
