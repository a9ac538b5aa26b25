"""Any conversation that passes the check encodes to both generations, and reads back to the same turns."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reka._calls import endpoints
from reka._inputs.chat_request import MessageHistory, chat_request
from reka._inputs.conversation import conversation
from reka.types import Turn

_FAMILIES = ["image/png", "video/mp4", "audio/mpeg", "application/pdf", "application/octet-stream"]
_MEDIA = st.builds(
    "https://x.example/{}{}".format, st.integers(), st.sampled_from(["", ".png", ".mp4", ".mp3", ".pdf"])
)
_MEDIA |= st.builds("data:{};base64,AAAA".format, st.sampled_from(_FAMILIES))
_TEXT = st.text()
_FIRST = st.fixed_dictionaries({"type": st.just("human"), "text": _TEXT}, optional={"media_url": _MEDIA})
_LATER = st.lists(_TEXT).map(
    lambda texts: [{"type": ("model", "human")[place % 2], "text": text} for place, text in enumerate(texts)]
)
_TURNS = st.tuples(_FIRST, _LATER).map(lambda parts: [parts[0], *parts[1]])


def _of_messages(messages: list[dict[str, Any]]) -> list[dict[str, str]]:
    """What a reader of the completions' body sees, by the table of names in the protocol's description."""
    turns = []
    for message in messages:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        turn = {"type": {"user": "human", "assistant": "model"}[message["role"]]}
        for part in parts:
            turn["text" if part["type"] == "text" else "media_url"] = part[part["type"]]
        turns.append(turn)
    return turns


def _body(call: Any) -> Any:
    return json.loads(call.body)


@given(_TURNS)
def test_a_conversation_reads_back_from_both_generations(turns: list[Any]) -> None:
    checked = conversation(turns, None, None)
    question = chat_request(conversation_history=turns)

    assert checked == turns
    assert _body(endpoints.chat(question))["conversation_history"] == turns
    assert _of_messages(_body(endpoints.complete(question, "reka"))["messages"]) == turns
    assert _of_messages(_body(endpoints.stream_completion(question, "reka"))["messages"]) == turns
    assert MessageHistory(question.messages).turns() == turns


@given(_TURNS)
def test_what_chat_answered_goes_back_into_both_generations_without_its_chunks(turns: list[Turn]) -> None:
    history: list[Any] = [
        turn | {"retrieved_chunks": [{"text": "t"}]} if turn["type"] == "model" else turn for turn in turns
    ]
    question = chat_request(conversation_history=history)

    assert _body(endpoints.chat(question))["conversation_history"] == turns
    assert _of_messages(_body(endpoints.complete(question, "reka"))["messages"]) == turns
