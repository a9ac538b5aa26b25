"""The prompt that carries retrieved passages: quotations that stay quotations, whatever they hold."""

import copy
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reka._protocol.prompt import Passage, question_with_passages, with_passages
from reka.types import Message
from tests.support.hostile_texts import HOSTILE

# Every way to end a line that `str.splitlines`, a browser or a terminal knows.
LINE_ENDS = re.compile("[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")

FACT = [Passage("a.txt", "a fact")]


def test_a_passage_stands_under_its_context_if_it_has_one() -> None:
    prompt = question_with_passages("What now?", [Passage("a.md", "12 crowns", "Ports > Fees"), Passage("b", "c")])

    assert '{"source": "a.md", "text": "12 crowns", "context": "Ports > Fees"}\n{"source": "b", "text": "c"}' in prompt


def passages_of(prompt: str) -> list[dict[str, str]]:
    lines = prompt.split("\n")
    inside = lines[lines.index("<passages>") + 1 : lines.index("</passages>")]
    return [json.loads(line) for line in inside]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_one_quoted_line_and_is_read_back_whole(text: str) -> None:
    prompt = question_with_passages("What now?", [Passage("a.txt", text), Passage(text, "harmless")])

    assert passages_of(prompt) == [{"source": "a.txt", "text": text}, {"source": text, "text": "harmless"}]
    frame = question_with_passages("What now?", [Passage("y", "x")] * 2)
    assert len(LINE_ENDS.findall(prompt)) == len(LINE_ENDS.findall(frame))
    assert [line for line in prompt.split("\n") if not line.startswith("{")] == [
        line for line in frame.split("\n") if not line.startswith("{")
    ]
    assert prompt.count("</passages>") == frame.count("</passages>")
    prompt.encode()  # can be sent


@pytest.mark.parametrize(
    "token", ["<|im_start|>", "<sep>", "</s>", "[INST]", "[/INST]", "<<SYS>>", "<\uff5cUser\uff5c>"]
)
def test_no_control_token_of_a_chat_template_reaches_the_model_from_a_passage(token: str) -> None:
    prompt = question_with_passages("What now?", [Passage(token, f"a{token}b")])

    assert token not in prompt
    assert passages_of(prompt)[0] == {"source": token, "text": f"a{token}b"}


@given(st.text(), st.text())
def test_any_text_is_one_line_that_reads_back(text: str, source: str) -> None:
    prompt = question_with_passages("q", [Passage(source, text)])

    assert passages_of(prompt) == [{"source": source, "text": text}]
    assert not re.search("[\x00-\x09\x0b-\x1f\x85\u2028\u2029\u202e\u200b]", prompt)


def test_readable_text_stays_readable() -> None:
    text = 'if a < b and x <= 3: print("größer", lists[0], 1 << 4)  # 日本 क\u094d\u200dष'

    prompt = question_with_passages("What now?", [Passage("a.txt", text)])

    assert json.dumps(text, ensure_ascii=False) in prompt


def test_passages_keep_their_order_and_stand_before_the_question() -> None:
    prompt = question_with_passages("What now?", [Passage(f"{index}.txt", f"text {index}") for index in range(12)])

    assert [passage["source"] for passage in passages_of(prompt)] == [f"{index}.txt" for index in range(12)]
    assert prompt.endswith("\n\nQuestion: What now?")


def test_a_search_that_found_nothing_is_told() -> None:
    prompt = question_with_passages("What now?", [])

    assert "holds no passage" in prompt
    assert prompt.endswith("Question: What now?")


def test_passages_go_to_the_last_user_message_alone() -> None:
    conversation = [
        {"role": "user", "content": "First?"},
        {"role": "assistant", "content": "One."},
        {"role": "user", "content": "Second?"},
        {"role": "assistant", "content": "Two, and"},
    ]

    messages = with_passages(conversation, FACT)

    assert [*messages[:2], messages[3]] == [*conversation[:2], conversation[3]]
    assert messages[2] == {"role": "user", "content": question_with_passages("Second?", FACT)}


def test_passages_stand_at_the_users_question_when_tools_have_been_called_since() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    conversation: list[Message] = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "What now?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "5"},
    ]

    messages = with_passages(conversation, FACT)

    assert "a fact" in messages[1]["content"]
    assert [messages[0], *messages[2:]] == [conversation[0], *conversation[2:]]


def test_a_question_of_several_texts_and_media_keeps_all_of_them() -> None:
    media = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    parts = [{"type": "text", "text": "Look."}, media, {"type": "text", "text": "What now?"}]

    (message,) = with_passages([{"role": "user", "content": parts}], FACT)

    assert message["content"][0] == media
    assert message["content"][1]["text"].endswith("\n\nQuestion: Look.\nWhat now?")
    assert len(message["content"]) == 2


def test_a_conversation_is_not_changed_by_quoting_in_it() -> None:
    conversation = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}]}]
    before = copy.deepcopy(conversation)

    with_passages(conversation, FACT)

    assert conversation == before
