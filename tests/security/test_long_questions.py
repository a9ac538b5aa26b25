"""Of a question that is too long a part is used, and the response says so, in each API family, streamed or not."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from reka.server.retrieval.index import MAX_EMBEDDED_TOKENS, MAX_QUERY_TOKENS
from tests.support.caller import Caller
from tests.support.servers import NOTES, open_caller, run_server

QUESTION = "When does the owl hunt?"
LONG = f"{QUESTION} {'Some more words of it. ' * 2_000}"
LONGEST = f"{QUESTION} {'Some more words of it. ' * 400_000}"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with run_server(tmp_path_factory.mktemp("long")) as server, open_caller(server.url) as caller:
        caller.add_prepared("notes", NOTES, "notes.txt")
        yield caller


def ask(api: Caller, way: str, text: str, **more: Any) -> dict[str, Any]:
    """Ask in one way, and give the response, or the last event of a stream that has retrieved chunks."""
    path, _, stream = way.partition(" ")
    body = {"messages": [{"role": "user", "content": text}], "stream": bool(stream)}
    if path == "/chat":
        body = {"conversation_history": [{"type": "human", "text": text}]}
    answer = api.ask("POST", path, json={**body, **more})
    assert answer.status_code == 200, answer.text
    if not stream:
        return dict(answer.json())
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    return next(dict(event) for event in events if "retrieved_chunks" in event)


WAYS = ("/chat", "/v1/chat", "/v1/chat streamed", "/v1/chat/completions", "/v1/chat/completions streamed")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", [LONG, LONGEST], ids=["long", "longest"])
def test_a_search_says_that_it_used_the_beginning_of_a_long_question(api: Caller, way: str, text: str) -> None:
    answer = ask(api, way, text, retrieval_dataset="notes")

    (warning,) = answer["warnings"]
    assert f"only the first {MAX_QUERY_TOKENS} tokens are searched for" in warning
    assert f"of its {len(text)} characters" in warning
    assert "owl" in answer["retrieved_chunks"][0]["text"]


@pytest.mark.parametrize("way", WAYS)
def test_a_search_with_all_of_a_question_says_nothing(api: Caller, way: str) -> None:
    assert "warnings" not in ask(api, way, QUESTION, retrieval_dataset="notes")


def test_a_question_too_long_for_its_vector_alone_is_named_too(api: Caller) -> None:
    text = f"{QUESTION} {'more ' * (MAX_EMBEDDED_TOKENS + 50)}"

    (warning,) = ask(api, "/chat", text, retrieval_dataset="notes")["warnings"]

    assert f"first {MAX_EMBEDDED_TOKENS} tokens" in warning
    assert "by meaning" in warning


def test_an_answer_by_quotation_says_what_it_looked_at(api: Caller) -> None:
    story = "The owl hunts at night. " * 5
    question = f"{'Some more words of it, ' * 1_000} when does the owl hunt?"

    short = api.chat(f"{story} When does the owl hunt?").json()["text"]
    long = api.ask(
        "POST",
        "/chat",
        json={
            "conversation_history": [
                {"type": "human", "text": story},
                {"type": "model", "text": "Yes."},
                {"type": "human", "text": question},
            ]
        },
    ).json()["text"]
    assert "The owl hunts at night." in short
    assert "tokens" not in short
    assert "Of the question, only the last 500 tokens are looked at." in long
    assert "The owl hunts at night." in long
