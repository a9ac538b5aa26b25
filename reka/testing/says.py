"""Answers of a model, from what a test has it say, in the form of the endpoint that is asked, whole or streamed."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias, get_args
from urllib.parse import urlsplit

from reka.testing.answers import answer
from reka.testing.bodies import DONE, call_pieces, chunk, completion, events
from reka.testing.connection import NOT_SCRIPTED, PATIENCE, Connection, Script, require_script
from reka.testing.recorded import RecordedRequest
from reka.types import Citation, Finish, ReasoningDelta, TextDelta, ToolCall, Usage


@dataclass(frozen=True)
class Wait:
    """A delay in an answer; one that is not streamed waits as long before it is sent."""

    seconds: float

    def __post_init__(self) -> None:
        if isinstance(self.seconds, bool) or not isinstance(self.seconds, int | float):
            raise TypeError(f"seconds: got {type(self.seconds).__name__}, want a number")


class Fault(Enum):
    """How an answer breaks off, at its place in a stream. An answer that is not streamed breaks off in its body."""

    CUT = "cut"
    """The connection is closed."""

    SILENCE = "silence"
    """Nothing more comes, until the client gives up."""

    NONSENSE = "nonsense"
    """What comes next is no JSON."""

    ERROR = "error"
    """What comes next is an error of the server."""


Item: TypeAlias = (
    str | TextDelta | ReasoningDelta | ToolCall | Citation | Usage | Finish | Wait | Fault | threading.Event
)
"""A part of an answer: a piece of its text, what else `reka.Reka.stream_messages` gives, a delay or a fault; at an
event the server waits until the test sets it."""

_ITEMS = get_args(Item)

_ERROR = {"error": {"message": "scripted", "type": "server_error", "code": None, "param": None}}


def says(*items: Item) -> Script:
    """Make an answer of a model, for `POST /chat`, and for `POST /v1/chat/completions` with `stream` or without.

    Args:
        items: The parts of the answer, in their order; each string is a piece of the stream. Without a `Finish` the
            answer ends with `tool_calls` if it has some, else with `stop`. A `Usage` replaces the token counts.

    Raises:
        TypeError: An item is of another type.
    """
    for place, item in enumerate(items):
        if not isinstance(item, _ITEMS):
            wanted = ", ".join(kind.__name__ for kind in _ITEMS)
            raise TypeError(
                f"items[{place}]: got {type(item).__name__}, want one of {wanted}; a body as it is sent goes into "
                "will_answer"
            )

    def send(connection: Connection) -> None:
        path = urlsplit(connection.recorded.path).path
        if path == "/chat":
            _send_whole(connection, items, _turn(items))
        elif path != "/v1/chat/completions":
            detail = f"the scripted answer is one of a model, and this is a request to {path}"
            answer(NOT_SCRIPTED, {"detail": detail})(connection)
        elif connection.recorded.json.get("stream"):
            _send_stream(connection, items)
        else:
            _send_whole(connection, items, _completion(items))

    return send


def by_request(choose: Callable[[RecordedRequest], Script]) -> Script:
    """Make an answer that depends on the request, such as on its `question`.

    Raises:
        TypeError: `choose` cannot be called.
    """
    if not callable(choose):
        raise TypeError(f"choose: got {type(choose).__name__}, want a function of the request that returns a script")
    return lambda connection: require_script(choose(connection.recorded), "what by_request chose")(connection)


def _send_whole(connection: Connection, items: Sequence[Item], body: dict[str, Any]) -> None:
    for item in items:
        if isinstance(item, Wait | threading.Event):
            _wait(connection, item)
    fault = next((item for item in items if isinstance(item, Fault)), None)
    whole = answer(200, _ERROR if fault is Fault.ERROR else body)
    if fault in (None, Fault.ERROR):
        whole(connection)
        return
    half = whole.body[: len(whole.body) // 2]
    if fault is Fault.NONSENSE:
        answer(200, half, whole.headers)(connection)
        return
    connection.begin("application/json")
    connection.chunk(half)
    _break_off(connection, fault)


def _send_stream(connection: Connection, items: Sequence[Item]) -> None:
    connection.begin("text/event-stream")
    for part in _stream(items):
        if isinstance(part, bytes):
            connection.chunk(part)
        elif isinstance(part, Fault):
            _break_off(connection, part)
            return
        else:
            _wait(connection, part)
    connection.chunk(b"")
    connection.keep_open()


def _wait(connection: Connection, item: Wait | threading.Event) -> None:
    if isinstance(item, Wait):
        connection.pause(item.seconds)
    else:
        item.wait(PATIENCE)


def _break_off(connection: Connection, fault: Fault | None) -> None:
    if fault is Fault.SILENCE:
        connection.wait_for_end()


def _stream(items: Sequence[Item]) -> Iterator[bytes | Wait | threading.Event | Fault]:
    """The parts of a stream in their order; bytes are chunks of the body."""
    calls = 0
    for item in items:
        if isinstance(item, ToolCall):
            yield from map(events, call_pieces(calls, item.id, item.name, item.arguments))
            calls += 1
        elif isinstance(item, Wait | threading.Event):
            yield item
        elif isinstance(item, Fault):
            yield from _fault(item)
            return
        elif delta := _delta(item):
            yield events(chunk(**delta))
    yield events(chunk(_finish(items).reason) | {"usage": _usage(items)} | _retrieved(items))
    yield DONE


def _fault(fault: Fault) -> Iterator[bytes | Fault]:
    if fault is Fault.NONSENSE:
        yield b"data: {nonsense\n\n" + DONE
    elif fault is Fault.ERROR:
        yield events(_ERROR) + DONE
    yield fault


def _delta(item: Item) -> dict[str, Any]:
    """What an item is in a chunk of a stream; empty if it is none there."""
    if isinstance(item, str):
        return {"content": item}
    if isinstance(item, TextDelta):
        return {"content": item.text}
    if isinstance(item, ReasoningDelta):
        return {"reasoning_content": item.text}
    return {"annotations": [_annotation(item)]} if isinstance(item, Citation) else {}


def _completion(items: Sequence[Item]) -> dict[str, Any]:
    """The body of an answer of the completions endpoint."""
    deltas = [_delta(item) for item in items]
    message: dict[str, Any] = {"content": _joined(deltas, "content")}
    if reasoning := _joined(deltas, "reasoning_content"):
        message["reasoning_content"] = reasoning
    if annotations := [_annotation(item) for item in items if isinstance(item, Citation)]:
        message["annotations"] = annotations
    if calls := [item for item in items if isinstance(item, ToolCall)]:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    return completion(_finish(items).reason, **message) | {"usage": _usage(items)} | _retrieved(items)


def _turn(items: Sequence[Item]) -> dict[str, Any]:
    """The body of an answer of the documented endpoint, and what that does not have under the name of the other."""
    whole = _completion(items)
    choice = whole["choices"][0]
    message = {name: value for name, value in choice["message"].items() if name not in ("role", "content")}
    usage = {"input_tokens": whole["usage"]["prompt_tokens"], "output_tokens": whole["usage"]["completion_tokens"]}
    return {
        "type": "model",
        "text": choice["message"]["content"],
        "finish_reason": choice["finish_reason"],
        "usage": usage,
        **message,
        **_retrieved(items),
    }


def _joined(deltas: list[dict[str, Any]], name: str) -> str:
    return "".join(delta.get(name, "") for delta in deltas)


def _finish(items: Sequence[Item]) -> Finish:
    calls = any(isinstance(item, ToolCall) for item in items)
    default = Finish("tool_calls" if calls else "stop")
    return next((item for item in items if isinstance(item, Finish)), default)


def _retrieved(items: Sequence[Item]) -> dict[str, Any]:
    """The field of an answer that has its retrieved chunks; none if it has none."""
    chunks = _finish(items).retrieved_chunks
    return {} if chunks is None else {"retrieved_chunks": chunks}


def _usage(items: Sequence[Item]) -> dict[str, int]:
    usage = next((item for item in items if isinstance(item, Usage)), Usage(3, 5))
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }


def _annotation(citation: Citation) -> dict[str, Any]:
    span = {"start_index": citation.start_index, "end_index": citation.end_index}
    fields = {name: value for name, value in span.items() if value is not None}
    return {"type": "url_citation", "url_citation": {"url": citation.url, "title": citation.title, **fields}}
