"""Arguments and answers of `client.chat.create`: what programs for `reka-api` 3 give and get, from and to ours."""

from collections.abc import Mapping, Sequence
from typing import Any

from reka.errors import InvalidConversationError
from reka.types import ChatCompletion, Finish, StreamEvent, TextDelta, ToolCallDelta
from reka.types import ToolCall as ReceivedToolCall
from reka.types import Usage as ReceivedUsage
from reka.types.sdk3 import (
    ChatMessage,
    ChatMessageChunk,
    ChatResponse,
    ChunkChatResponse,
    ChunkMessageResponse,
    CreateOptions,
    MessageResponse,
    Model,
    ToolCall,
    Usage,
    plain,
)


def arguments(messages: Sequence[Any], model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the arguments of `create` to those of `complete`."""
    for name in options.keys() - CreateOptions.__annotations__.keys():
        raise TypeError(f"got an unexpected keyword argument {name!r}")
    arguments = {name: plain(value) for name, value in options.items()}
    extra = dict((arguments.pop("request_options", None) or {}).get("additional_body_parameters") or {})
    if (search := arguments.pop("use_search_engine", None)) is not None:
        extra["use_search_engine"] = search
    converted = [each for message in messages for each in _messages(plain(message))]
    return {"messages": converted, "model": model, "extra_request_args": extra, **arguments}


def _messages(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Convert a message; one with the outputs of several tools becomes several."""
    if message.get("role") != "tool_output":
        return [message]
    outputs = message.get("content")
    if not isinstance(outputs, list) or not all(isinstance(output, Mapping) for output in outputs):
        raise InvalidConversationError("a message with the role tool_output has no list of ToolOutput as its content")
    return [
        {"role": "tool", "tool_call_id": output.get("tool_call_id"), "content": output.get("output")}
        for output in outputs
    ]


def models(names: Sequence[str]) -> list[Model]:
    """Make the models of a list."""
    return [Model(id=name) for name in names]


def response(completion: ChatCompletion, model: str) -> ChatResponse:
    """Make a whole answer."""
    message = ChatMessage(**_message(completion.text, completion.tool_calls))
    return ChatResponse(
        id=completion.id or "",
        model=completion.model or model,
        responses=[MessageResponse(finish_reason=completion.finish_reason, message=message)],
        usage=_usage(completion.usage),
    )


def _message(text: str, calls: Sequence[ReceivedToolCall]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [ToolCall(id=call.id, name=call.name, parameters=call.parameters) for call in calls]
    return message


def _usage(usage: ReceivedUsage | None) -> Usage:
    if usage is None:
        return Usage(input_tokens=0, output_tokens=0)
    return Usage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)


class Chunks:
    """Makes the chunks of a stream, each with the text so far."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._text = ""
        self._calls: dict[int, list[str]] = {}
        self._usage: ReceivedUsage | None = None

    def of(self, event: StreamEvent) -> ChunkChatResponse | None:
        """Make the chunk of an event; None if it has none of its own."""
        if isinstance(event, TextDelta):
            self._text += event.text
            return self._chunk("", self._model, None)
        if isinstance(event, ToolCallDelta):
            call = self._calls.setdefault(event.index, ["", "", ""])
            call[0], call[1], call[2] = event.id or call[0], event.name or call[1], call[2] + event.arguments
        elif isinstance(event, ReceivedUsage):
            self._usage = event
        elif isinstance(event, Finish):
            return self._chunk(event.id or "", event.model or self._model, event)
        return None

    def _chunk(self, answer_id: str, model: str, finish: Finish | None) -> ChunkChatResponse:
        calls = [ReceivedToolCall(*call) for call in self._calls.values()] if finish is not None else []
        response = ChunkMessageResponse(
            chunk=ChatMessageChunk(**_message(self._text, calls)), finish_reason=finish and finish.reason
        )
        return ChunkChatResponse(id=answer_id, model=model, responses=[response], usage=_usage(self._usage))
