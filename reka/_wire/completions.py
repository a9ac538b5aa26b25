"""Generation C of the API, `/v1/chat/completions`: what its bodies look like, both ways."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from pydantic import ConfigDict, TypeAdapter

# pydantic refuses typing's own TypedDict before Python 3.12.
from typing_extensions import NotRequired, TypedDict

from reka._protocol.messages import text_of
from reka._protocol.usage import read_usage
from reka._wire.documented import json_body, other_fields, read_chunks
from reka._wire.reply import Reply, read_json, unexpected
from reka.types import (
    ChatCompletion,
    ChatEvent,
    Citation,
    Finish,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)

_KNOWN: Final = frozenset({"choices", "created", "id", "model", "object", "responses", "retrieved_chunks", "usage"})
_KNOWN_IN_MESSAGE: Final = frozenset(
    {"annotations", "content", "reasoning_content", "retrieved_chunks", "role", "tool_calls"}
)


class _Choice(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]  # how pydantic configures a TypedDict

    message: dict[str, Any]
    finish_reason: NotRequired[str | None]


class _Completion(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]  # as above

    choices: NotRequired[list[_Choice]]
    responses: NotRequired[list[_Choice]]
    """What the generation before calls its choices."""


_COMPLETION: Final = TypeAdapter(_Completion)


def completion_body(
    messages: Sequence[Mapping[str, Any]],
    model: str,
    stop: list[str],
    options: Mapping[str, Any],
    extra: Mapping[str, Any],
    *,
    stream: bool,
) -> bytes:
    """Write the body of `POST /v1/chat/completions`; messages and tools come in the form of the host."""
    body: dict[str, Any] = {"messages": messages, "model": model}
    if stop:
        body["stop"] = stop
    if stream:
        body["stream"] = True
    return json_body(body | dict(options) | dict(extra))


def read_completion(reply: Reply) -> ChatCompletion:
    """Read a whole answer; fields without a place in `ChatCompletion` go into its `extra`."""
    answer = cast("Mapping[str, Any]", read_json(reply, _COMPLETION, "a chat completion"))
    choices: list[Mapping[str, Any]] = answer.get("choices") or answer.get("responses") or []
    if not choices:
        raise unexpected(reply, "a chat completion", "it has no choices")
    choice = choices[0]
    message = choice["message"]
    usage = read_usage(answer.get("usage"))
    extra = other_fields(answer, _KNOWN, usage)
    extra |= {name: value for name, value in message.items() if name not in _KNOWN_IN_MESSAGE}
    chunks = answer.get("retrieved_chunks", message.get("retrieved_chunks"))
    return ChatCompletion(
        text=text_of(message.get("content")),
        tool_calls=[read_tool_call(call) for call in objects(message.get("tool_calls"))],
        finish_reason=choice.get("finish_reason"),
        usage=usage,
        model=_text_or_none(answer.get("model")),
        id=_text_or_none(answer.get("id")),
        request_id=reply.request_id,
        reasoning=text_of(message.get("reasoning_content")),
        citations=read_citations(message.get("annotations")),
        retrieved_chunks=read_chunks(chunks),
        extra=extra,
    )


def read_tool_call(call: Mapping[str, Any]) -> ToolCall:
    """Read a tool call in the nested form, or in the flat one with `parameters`."""
    function = call.get("function")
    function = function if isinstance(function, Mapping) else call
    arguments = function.get("arguments", function.get("parameters"))
    if not isinstance(arguments, str):
        arguments = "" if arguments is None else json.dumps(arguments, ensure_ascii=False)
    return ToolCall(str(call.get("id") or ""), str(function.get("name") or ""), arguments)


def read_citations(annotations: object) -> list[Citation]:
    """Read web citations; annotations of other kinds are left out."""
    citations = (item.get("url_citation") for item in objects(annotations) if item.get("type") == "url_citation")
    return [
        Citation(
            str(citation.get("url") or ""),
            str(citation.get("title") or ""),
            citation.get("start_index"),
            citation.get("end_index"),
        )
        for citation in objects(list(citations))
    ]


def as_events(completion: ChatCompletion) -> list[StreamEvent]:
    """A whole answer, as the events a stream would have brought."""
    events: list[StreamEvent] = []
    if completion.reasoning:
        events.append(ReasoningDelta(completion.reasoning))
    if completion.text:
        events.append(TextDelta(completion.text))
    events += [
        ToolCallDelta(index, call.id, call.name, call.arguments) for index, call in enumerate(completion.tool_calls)
    ]
    events += completion.citations
    if completion.usage is not None:
        events.append(completion.usage)
    return [
        *events,
        Finish(
            completion.finish_reason,
            completion.model,
            completion.id,
            completion.request_id,
            completion.retrieved_chunks,
        ),
    ]


class ChatEvents:
    """Makes what `stream` yields out of a stream's events: new text, and at the end how the answer ended."""

    __slots__ = ("_usage",)

    def __init__(self) -> None:
        self._usage: Usage | None = None

    def of(self, event: StreamEvent) -> ChatEvent | None:
        """The event to yield for the next one of the stream; None if there is none to."""
        if isinstance(event, TextDelta):
            return ChatEvent(event.text)
        if isinstance(event, Finish):
            return ChatEvent("", event.reason, self._usage, event.retrieved_chunks, event.request_id)
        if isinstance(event, Usage):
            self._usage = event
        return None


def as_chat_event(completion: ChatCompletion) -> ChatEvent:
    """A whole answer, as the one event of a stream."""
    return ChatEvent(
        completion.text,
        completion.finish_reason,
        completion.usage,
        completion.retrieved_chunks,
        completion.request_id,
    )


def objects(items: object) -> list[Mapping[str, Any]]:
    """The JSON objects of a list; whatever is none is left out, for a server may add to what is known."""
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
