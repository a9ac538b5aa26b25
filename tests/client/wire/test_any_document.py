"""Whatever JSON a server sends, the client gives an answer or an error of its own."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reka
from reka._wire.completion_stream import CompletionDecoder
from reka._wire.completions import KNOWN, KNOWN_IN_CHOICE, KNOWN_IN_MESSAGE, as_events, read_completion
from reka._wire.documented import as_turn, read_chat
from reka._wire.reply import Reply
from reka.testing.bodies import events

_NAMES = st.sampled_from(
    sorted(
        KNOWN
        | KNOWN_IN_CHOICE
        | KNOWN_IN_MESSAGE
        | {
            "arguments",
            "cached_tokens",
            "code",
            "completion_tokens",
            "cost",
            "detail",
            "function",
            "input_tokens",
            "loc",
        }
        | {"metadata", "name", "other", "prompt_tokens", "prompt_tokens_details", "text", "type", "url", "url_citation"}
    )
)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(["error", 0])
_VALUES = st.recursive(
    _SCALARS, lambda values: st.lists(values, max_size=3) | st.dictionaries(_NAMES, values, max_size=5), max_leaves=12
)
_DOCUMENTS = st.dictionaries(_NAMES, _VALUES, max_size=6)


def choices(field: str) -> st.SearchStrategy[dict[str, Any]]:
    """Documents that have at least the outline of an answer."""
    choice = st.fixed_dictionaries({field: _DOCUMENTS}, optional={"index": _SCALARS, "finish_reason": _SCALARS})
    return st.fixed_dictionaries({"choices": st.lists(choice, max_size=3)}, optional={"usage": _VALUES, "id": _VALUES})


@settings(suppress_health_check=[HealthCheck.too_slow])  # large documents are slow to make on a busy machine
@given(st.lists(choices("delta") | choices("message") | choices("chunk") | _DOCUMENTS, max_size=4))
def test_any_stream_is_read_or_refused(documents: list[dict[str, Any]]) -> None:
    decoder = CompletionDecoder(None, "POST /v1/chat/completions")
    given_events = decoder.feed(events(*documents))
    try:
        given_events += decoder.finish()
    except reka.RekaError:
        return

    assert isinstance(given_events[-1], reka.Finish)
    assert decoder.partial_text == "".join(event.text for event in given_events if isinstance(event, reka.TextDelta))


@given(choices("message") | _DOCUMENTS)
def test_any_answer_is_read_or_refused(document: dict[str, Any]) -> None:
    reply = Reply(200, {}, json.dumps(document).encode(), "POST /v1/chat/completions")
    try:
        completion = read_completion(reply)
    except reka.RekaError:
        return

    assert as_turn(completion)["text"] == completion.text
    assert isinstance(as_events(completion)[-1], reka.Finish)


@given(st.fixed_dictionaries({"text": st.text()}, optional={"usage": _VALUES, "retrieved_chunks": _VALUES}), _DOCUMENTS)
def test_any_turn_with_a_text_is_read(document: dict[str, Any], more: dict[str, Any]) -> None:
    reply = Reply(200, {}, json.dumps(more | document).encode(), "POST /chat")

    turn = as_turn(read_chat(reply))

    assert (turn["type"], turn["text"]) == ("model", document["text"])
