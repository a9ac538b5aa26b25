"""Convert Reka's answers to LangChain messages: whole messages, and stream chunks that add up to the same message.

The content stays a plain string, so that chunks can be added. Reasoning and citations are kept in `additional_kwargs`;
`content_blocks` presents all of it in LangChain's standard form.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final, cast
from uuid import uuid4

from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall, ToolCall, UsageMetadata
from langchain_core.messages.block_translators import register_translator
from langchain_core.messages.content import ContentBlock
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call, tool_call, tool_call_chunk

import reka
from langchain_reka.tool_history import INVALID_PREFIX
from reka.adapters import add_delta, parse_calls

PROVIDER: Final = "reka"

_REASONING: Final = "reasoning_content"
"""Key under which LangChain looks for reasoning when the content is a plain string."""

_CITATIONS: Final = "citations"


def to_ai_message(completion: reka.ChatCompletion, model: str, *, parallel: bool = True) -> AIMessage:
    """Convert an answer to a message.

    Args:
        completion: The answer.
        model: Name of the requested model, used if the server does not name the one that answered.
        parallel: Whether to keep more than one tool call.
    """
    kwargs: dict[str, Any] = {}
    if completion.reasoning:
        kwargs[_REASONING] = completion.reasoning
    if completion.citations:
        kwargs[_CITATIONS] = [_citation(citation) for citation in completion.citations]
    calls = parse_calls(completion.tool_calls, completion.finish_reason)
    valid_calls, invalid_calls = _separate_calls(calls if parallel else calls[:1])
    return AIMessage(
        content=completion.text,
        additional_kwargs=kwargs,
        tool_calls=valid_calls,
        invalid_tool_calls=invalid_calls,
        usage_metadata=_usage(completion.usage),
        response_metadata=_metadata(
            completion.model or model,
            completion.finish_reason,
            completion.request_id,
            completion.retrieved_chunks,
            completion.usage,
        ),
    )


class Chunks:
    """Converts the events of one streamed answer to message chunks.

    A tool call is emitted whole, at the end of the stream: only then is it known whether its arguments were cut off.

    Args:
        model: As in `to_ai_message`.
        with_usage: Whether the last chunk has token counts.
        parallel: As in `to_ai_message`.
    """

    def __init__(self, model: str, *, with_usage: bool, parallel: bool = True) -> None:
        self._model = model
        self._parallel = parallel
        self._with_usage = with_usage
        self._usage: reka.Usage | None = None
        self._calls: dict[int, reka.ToolCall] = {}

    def of(self, event: reka.StreamEvent) -> list[AIMessageChunk]:
        """Return the chunks of an event: none, one, or up to two for the last event."""
        match event:
            case reka.TextDelta():
                return [AIMessageChunk(content=event.text)]
            case reka.ReasoningDelta():
                return [_non_text_chunk(additional_kwargs={_REASONING: event.text})]
            case reka.Citation():
                return [_non_text_chunk(additional_kwargs={_CITATIONS: [_citation(event)]})]
            case reka.Usage():
                self._usage = event
            case reka.ToolCallDelta():
                add_delta(self._calls, event)
            case reka.Finish():
                return self._last_chunks(event)
        return []

    def _last_chunks(self, finish: reka.Finish) -> list[AIMessageChunk]:
        parsed = parse_calls(self._calls.values(), finish.reason)
        calls = [_tool_call_chunk(call, arguments) for call, arguments in (parsed if self._parallel else parsed[:1])]
        last = AIMessageChunk(
            content="",
            usage_metadata=_usage(self._usage) if self._with_usage else None,
            response_metadata=_metadata(
                finish.model or self._model,
                finish.reason,
                finish.request_id,
                finish.retrieved_chunks,
                self._usage if self._with_usage else None,
            ),
            chunk_position="last",
        )
        return [_non_text_chunk(tool_call_chunks=calls), last] if calls else [last]


def _non_text_chunk(**fields: Any) -> AIMessageChunk:
    """Make a chunk without text; LangChain needs the provider's name to find the translator of its blocks."""
    return AIMessageChunk(content="", response_metadata={"model_provider": PROVIDER}, **fields)


def _metadata(
    model: str,
    finish_reason: str | None,
    request_id: str | None,
    chunks: list[reka.RetrievedChunk] | None,
    usage: reka.Usage | None,
) -> dict[str, Any]:
    cost = None if usage is None else usage.cost
    optional = {"finish_reason": finish_reason, "request_id": request_id, "retrieved_chunks": chunks, "cost": cost}
    return {
        "model_name": model,
        "model_provider": PROVIDER,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _usage(usage: reka.Usage | None) -> UsageMetadata | None:
    if usage is None:
        return None
    counts = UsageMetadata(
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, total_tokens=usage.total_tokens
    )
    if usage.cached_input_tokens is not None:
        counts["input_token_details"] = {"cache_read": usage.cached_input_tokens}
    if usage.reasoning_tokens is not None:
        counts["output_token_details"] = {"reasoning": usage.reasoning_tokens}
    return counts


def _citation(citation: reka.Citation) -> dict[str, Any]:
    """Convert a citation to LangChain's standard annotation."""
    return {"type": "citation", **{name: value for name, value in asdict(citation).items() if value not in (None, "")}}


def _separate_calls(
    calls: Iterable[tuple[reka.ToolCall, dict[str, Any] | None]],
) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    """Separate calls that can be run from all others."""
    valid: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for call, arguments in calls:
        call_id = call.id or _new_call_id()
        if arguments is None:
            invalid.append(invalid_tool_call(name=call.name, args=call.arguments, id=call_id, error=None))
        else:
            valid.append(tool_call(name=call.name, args=arguments, id=call_id))
    return valid, invalid


def _tool_call_chunk(call: reka.ToolCall, arguments: dict[str, Any] | None) -> ToolCallChunk:
    text = INVALID_PREFIX + call.arguments if arguments is None else call.arguments
    return tool_call_chunk(name=call.name, args=text, id=call.id or _new_call_id(), index=None)


def _new_call_id() -> str:
    """Make an id for a call that came without one: a tool result refers to its call by id."""
    return f"call_{uuid4().hex}"


def _content_blocks(message: AIMessage) -> list[ContentBlock]:
    """Translate a message with citations to standard blocks; LangChain translates all other messages itself."""
    citations = message.additional_kwargs.get(_CITATIONS)
    if not citations or not isinstance(message.content, str):
        raise NotImplementedError  # makes LangChain fall back to its own translation
    metadata = {name: value for name, value in message.response_metadata.items() if name != "model_provider"}
    blocks = message.model_copy(update={"response_metadata": metadata}).content_blocks
    if not any(block["type"] == "text" for block in blocks):
        blocks.append({"type": "text", "text": ""})
    annotations: Mapping[str, Any] = {"annotations": citations}
    return [cast("ContentBlock", {**block, **annotations}) if block["type"] == "text" else block for block in blocks]


register_translator(PROVIDER, _content_blocks, _content_blocks)
