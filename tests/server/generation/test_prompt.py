"""What the model behind the server is sent: the conversation, with retrieved chunks quoted in it."""

import copy
from dataclasses import replace

import pytest

from reka.server.generation.types import Snippet
from reka.server.generation.upstream.payloads import chat_request
from reka.types import Form
from tests.support.generation_requests import Ask
from tests.support.hostile_texts import HOSTILE


def test_without_a_dataset_the_conversation_goes_as_it_is(question: Ask) -> None:
    assert chat_request(question("Hi", "Hello", "Who am I?"), "m")["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Who am I?"},
    ]


def test_with_a_dataset_that_holds_nothing_fit_the_model_is_told_so(question: Ask) -> None:
    (message,) = chat_request(question("What now?", snippets=[]), "m")["messages"]

    assert "holds no passage" in message["content"]


def test_a_question_is_not_changed_by_writing_it(question: Ask) -> None:
    asked = question("What is it?", media_url="data:image/png;base64,AA", snippets=[Snippet("a", "b", 1, 1)])
    before = replace(asked, messages=copy.deepcopy(list(asked.messages)))

    chat_request(asked, "m")

    assert asked == before


@pytest.mark.parametrize("form", ["openai", "reka"])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_snippet_becomes_a_turn_in_what_is_sent(question: Ask, text: str, form: Form) -> None:
    asked = question("First?", "One.", "Second?", snippets=[Snippet(text, text, 1, 1)] * 3)

    body = chat_request(asked, "m", form)

    harmless = chat_request(replace(asked, snippets=[Snippet("a", "b", 1, 1)] * 3), "m", form)
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body.keys() == harmless.keys()
    assert body["messages"][:2] == harmless["messages"][:2]
    prompt = body["messages"][2]["content"]
    assert prompt.count("\n") == harmless["messages"][2]["content"].count("\n")
    assert prompt.rpartition("\n</passages>\n\n")[2] == "Question: Second?"
    assert "[Tool result for" not in prompt
