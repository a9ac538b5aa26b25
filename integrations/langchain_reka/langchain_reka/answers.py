"""Reka's answers as LangChain's messages: whole ones, and the chunks of streamed ones, which add up to the same.

The text stays a plain string, so that chunks can be added. Reasoning and citations lie in `additional_kwargs`, and
`content_blocks` brings all of it to LangChain's standard form.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final, cast
from uuid import uuid4

from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall, ToolCall, UsageMetadata
from langchain_core.messages.block_translators import register_translator
from langchain_core.messages.content import ContentBlock
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.utils.json import parse_partial_json

import reka

PROVIDER: Final = "reka"

_REASONING: Final = "reasoning_content"
"""Where LangChain itself looks for reasoning beside a plain text."""

_CITATIONS: Final = "citations"


def to_ai_message(completion: reka.ChatCompletion, model: str) -> AIMessage:
    """Make the message that stands for an answer.

    Args:
        completion: The answer.
        model: Name of the model that was asked, for servers that do not tell which one answered.
    """
    kwargs: dict[str, Any] = {}
    if completion.reasoning:
        kwargs[_REASONING] = completion.reasoning
    if completion.citations:
        kwargs[_CITATIONS] = [_citation(citation) for citation in completion.citations]
    calls, invalid = _parsed(completion.tool_calls)
    return AIMessage(
        content=completion.text,
        additional_kwargs=kwargs,
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=_usage(completion.usage),
        response_metadata=_metadata(
            completion.model or model, completion.finish_reason, completion.request_id, completion.retrieved_chunks
        ),
    )


class Chunks:
    """Makes the chunks of one streamed answer out of its events.

    A tool call is given whole, at the end: Reka's host does not stream tool calls, and a call whose arguments are cut
    off can be told from a whole one.

    Args:
        model: As in `to_ai_message`.
        with_usage: Whether the last chunk tells token counts.
    """

    def __init__(self, model: str, *, with_usage: bool) -> None:
        self._model = model
        self._with_usage = with_usage
        self._usage: reka.Usage | None = None
        self._calls: dict[int, reka.ToolCall] = {}

    def of(self, event: reka.StreamEvent) -> list[AIMessageChunk]:
        """Give the chunks that an event brings: one, or none, or at the end two."""
        match event:
            case reka.TextDelta():
                return [AIMessageChunk(content=event.text)]
            case reka.ReasoningDelta():
                return [_told_chunk(additional_kwargs={_REASONING: event.text})]
            case reka.Citation():
                return [_told_chunk(additional_kwargs={_CITATIONS: [_citation(event)]})]
            case reka.Usage():
                self._usage = event
            case reka.ToolCallDelta():
                begun = self._calls.get(event.index, reka.ToolCall("", "", ""))
                self._calls[event.index] = reka.ToolCall(
                    begun.id or event.id, begun.name or event.name, begun.arguments + event.arguments
                )
            case reka.Finish():
                return self._end(event)
        return []

    def _end(self, finish: reka.Finish) -> list[AIMessageChunk]:
        calls = [_call_chunk(call) for call in self._calls.values()]
        last = AIMessageChunk(
            content="",
            usage_metadata=_usage(self._usage) if self._with_usage else None,
            response_metadata=_metadata(
                finish.model or self._model, finish.reason, finish.request_id, finish.retrieved_chunks
            ),
            chunk_position="last",
        )
        return [_told_chunk(tool_call_chunks=calls), last] if calls else [last]


def _told_chunk(**fields: Any) -> AIMessageChunk:
    """A chunk of something else than text: LangChain has to know whose it is, to find its standard blocks."""
    return AIMessageChunk(content="", response_metadata={"model_provider": PROVIDER}, **fields)


def _metadata(
    model: str, finish_reason: str | None, request_id: str | None, chunks: list[reka.RetrievedChunk] | None
) -> dict[str, Any]:
    told = {"finish_reason": finish_reason, "request_id": request_id, "retrieved_chunks": chunks}
    return {
        "model_name": model,
        "model_provider": PROVIDER,
        **{name: value for name, value in told.items() if value is not None},
    }


def _usage(usage: reka.Usage | None) -> UsageMetadata | None:
    if usage is None:
        return None
    return UsageMetadata(
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, total_tokens=usage.total_tokens
    )


def _citation(citation: reka.Citation) -> dict[str, Any]:
    """A citation in LangChain's standard form."""
    return {"type": "citation", **{name: value for name, value in asdict(citation).items() if value not in (None, "")}}


def _parsed(calls: list[reka.ToolCall]) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    """Part calls whose arguments are a JSON object from the others."""
    valid: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for call in calls:
        arguments = _object(call.arguments)
        call_id = call.id or _new_id()
        if arguments is None:
            invalid.append(invalid_tool_call(name=call.name, args=call.arguments, id=call_id, error=None))
        else:
            valid.append(tool_call(name=call.name, args=arguments, id=call_id))
    return valid, invalid


def _call_chunk(call: reka.ToolCall) -> ToolCallChunk:
    arguments = call.arguments
    if _object(arguments) is None:
        # LangChain mends cut-off JSON in chunks, so an agent would run the tool with whatever is left. A bracket that
        # closes nothing, outside of any string, keeps the call an invalid one, as it is where the answer comes whole.
        endings = ("", "]", "}", '"]', '"}', '""]', '""}')
        arguments += next(ending for ending in endings if not isinstance(_mended(arguments + ending), dict))
    return tool_call_chunk(name=call.name, args=arguments, id=call.id or _new_id(), index=None)


def _object(arguments: str) -> dict[str, Any] | None:
    """Arguments as an object; None if they are none. A call without arguments may come with an empty text."""
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _mended(arguments: str) -> object:
    try:
        return parse_partial_json(arguments)
    except (ValueError, RecursionError):
        return None


def _new_id() -> str:
    """An id for a call that the server gave none: its result has to be told from others'."""
    return f"call_{uuid4().hex}"


def _content_blocks(message: AIMessage) -> list[ContentBlock]:
    """Answers with citations in LangChain's standard form; it knows the others' itself."""
    citations = message.additional_kwargs.get(_CITATIONS)
    if not citations or not isinstance(message.content, str):
        raise NotImplementedError  # LangChain's sign for: do it yourself
    metadata = {name: value for name, value in message.response_metadata.items() if name != "model_provider"}
    blocks = message.model_copy(update={"response_metadata": metadata}).content_blocks
    if not any(block["type"] == "text" for block in blocks):
        blocks.append({"type": "text", "text": ""})
    cited: Mapping[str, Any] = {"annotations": citations}
    return [cast("ContentBlock", {**block, **cited}) if block["type"] == "text" else block for block in blocks]


register_translator(PROVIDER, _content_blocks, _content_blocks)
