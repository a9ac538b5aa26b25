"""Generation C of the API, `/v1/chat/completions`: what its bodies look like, both ways."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final

from reka._protocol.messages import text_of
from reka._protocol.responses import answer_choice, read_usage
from reka._wire.choices import objects
from reka._wire.documented import json_body, other_fields, read_chunks
from reka._wire.failures import error_in_document
from reka._wire.json_reply import read_json
from reka._wire.reply import Reply, unexpected
from reka._wire.shapes import LIST, object_with, optional
from reka._wire.tool_calls import read_tool_call
from reka.types import (
    ChatCompletion,
    ChatEvent,
    Citation,
    Finish,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)

KNOWN: Final = frozenset(
    {"choices", "created", "error", "id", "model", "object", "responses", "retrieved_chunks", "usage"}
)
"""Fields of an answer, and of a chunk, that have a place of their own or are of no use."""

KNOWN_IN_CHOICE: Final = frozenset({"chunk", "delta", "error", "finish_reason", "index", "logprobs", "message"})
KNOWN_IN_MESSAGE: Final = frozenset(
    {"annotations", "content", "reasoning", "reasoning_content", "retrieved_chunks", "role", "tool_calls"}
)


# `responses` is what the generation before calls its choices.
_COMPLETION: Final = object_with(choices=optional(LIST), responses=optional(LIST))


def completion_body(
    messages: Sequence[Mapping[str, Any]],
    model: str,
    stop: list[str],
    options: Mapping[str, Any],
    extra: Mapping[str, Any],
    arguments: Callable[[], Mapping[str, object]],
    *,
    stream: bool,
) -> bytes:
    """Write the body of `POST /v1/chat/completions`; messages and tools come in the form of the host."""
    body: dict[str, Any] = {"messages": messages, "model": model}
    if stop:
        body["stop"] = stop
    if stream:
        body["stream"] = True
    return json_body(body | dict(options) | dict(extra), arguments)


def read_completion(reply: Reply) -> ChatCompletion:
    """Read a whole answer; fields without a place in `ChatCompletion` go into its `extra`.

    Raises:
        RekaError: The server reports an error in place of an answer.
        UnexpectedResponseError: It is no completion.
    """
    answer: Mapping[str, Any] = read_json(reply, _COMPLETION, "a chat completion")
    error = error_in_document(answer, reply.request_id)
    if error is not None:
        raise error
    choices = objects(answer.get("choices") or answer.get("responses"))
    choice = answer_choice(choices) or next(iter(choices), {})
    message = choice.get("message")
    if not isinstance(message, dict):
        raise unexpected(reply, "a chat completion", "it has no choice with a message")
    usage = read_usage(answer.get("usage"))
    chunks = answer.get("retrieved_chunks", message.get("retrieved_chunks"))
    return ChatCompletion(
        text=text_of(message.get("content")),
        tool_calls=[read_tool_call(call) for call in objects(message.get("tool_calls"))],
        finish_reason=text_or_none(choice.get("finish_reason")),
        usage=usage,
        model=text_or_none(answer.get("model")),
        id=text_or_none(answer.get("id")),
        request_id=reply.request_id,
        reasoning=text_of(message.get("reasoning_content")) or text_of(message.get("reasoning")),
        citations=read_citations(message.get("annotations")),
        retrieved_chunks=read_chunks(chunks),
        extra={
            **other_fields(answer, KNOWN, usage),
            **{name: value for name, value in choice.items() if name not in KNOWN_IN_CHOICE},
            **{name: value for name, value in message.items() if name not in KNOWN_IN_MESSAGE},
            **({"choices": [other for other in choices if other is not choice]} if len(choices) > 1 else {}),
        },
        logprobs=choice.get("logprobs"),
    )


def read_citations(annotations: object) -> list[Citation]:
    """Read web citations; annotations of other kinds are left out."""
    citations = (item.get("url_citation") for item in objects(annotations) if item.get("type") == "url_citation")
    return [
        Citation(
            str(citation.get("url") or ""),
            str(citation.get("title") or ""),
            _index(citation.get("start_index")),
            _index(citation.get("end_index")),
        )
        for citation in objects(list(citations))
    ]


def _index(value: object) -> int | None:
    return value if isinstance(value, int) else None


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
            completion.logprobs,
            completion.extra,
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


def as_chat_events(answer: ChatCompletion | Generator[StreamEvent, None, None]) -> Iterator[ChatEvent]:
    """What `stream` yields of an answer, whole or streamed."""
    if isinstance(answer, ChatCompletion):
        yield as_chat_event(answer)
        return
    chat_events = ChatEvents()
    with closing(answer):
        for event in answer:
            if (chat_event := chat_events.of(event)) is not None:
                yield chat_event


def as_chat_event(completion: ChatCompletion) -> ChatEvent:
    """A whole answer, as the one event of a stream."""
    return ChatEvent(
        completion.text,
        completion.finish_reason,
        completion.usage,
        completion.retrieved_chunks,
        completion.request_id,
    )


def text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
