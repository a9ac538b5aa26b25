"""Convert Reka's answers to LlamaIndex responses: whole answers and streamed ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CitationBlock,
    CompletionResponse,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.llms.llm import ToolSelection
from pydantic_core import from_json

import reka
from reka.adapters import add_delta, parse_calls


@dataclass(slots=True)
class Answer:
    """Accumulates the events of an answer; it can be converted to a response at any time."""

    parallel: bool = True
    """Whether to keep more than one tool call. If not, the first is kept, and the model can make the others later."""

    text: str = ""
    reasoning: str = ""
    calls: dict[int, reka.ToolCall] = field(default_factory=dict)
    citations: list[reka.Citation] = field(default_factory=list)
    usage: reka.Usage | None = None
    finish: reka.Finish | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def add(self, event: reka.StreamEvent) -> None:
        """Add an event."""
        if isinstance(event, reka.TextDelta):
            self.text += event.text
        elif isinstance(event, reka.ReasoningDelta):
            self.reasoning += event.text
        elif isinstance(event, reka.ToolCallDelta):
            if self.parallel or not self.calls or event.index in self.calls:
                add_delta(self.calls, event)
        elif isinstance(event, reka.Citation):
            self.citations.append(event)
        elif isinstance(event, reka.Usage):
            self.usage = event
        else:
            self.finish = event

    def message(self) -> ChatMessage:
        """Return the assistant's message: blocks of reasoning, text, tool calls and citations."""
        blocks: list[Any] = []
        if self.reasoning:
            blocks.append(ThinkingBlock(content=self.reasoning))
        if self.text or not self.calls:
            blocks.append(TextBlock(text=self.text))
        if not self.calls and not self.citations:
            return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks)
        # The results of parallel calls are matched by id, so a call without one gets one.
        calls = [replace(call, id=call.id or f"call-{index}") for index, call in sorted(self.calls.items())]
        blocks += [
            ToolCallBlock(tool_call_id=call.id, tool_name=call.name, tool_kwargs=arguments)
            for call, arguments in zip(calls, self._arguments(calls), strict=True)
        ]
        blocks += [_citation_block(citation, self.text) for citation in self.citations]
        # LlamaIndex's streaming of structured output reads this legacy form only.
        legacy = {"tool_calls": [_legacy_tool_call(call) for call in calls]} if calls else {}
        return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=legacy)

    def chat(self, delta: str | None = None, **further_kwargs: Any) -> ChatResponse:
        """Return the answer as a chat response.

        Args:
            delta: New text, in a stream.
            further_kwargs: Further entries of its `additional_kwargs`.
        """
        return ChatResponse(
            message=self.message(),
            delta=delta,
            raw=self._raw(),
            additional_kwargs={**self._response_metadata(), **further_kwargs},
        )

    def completion(self, delta: str | None = None) -> CompletionResponse:
        """Return the answer as a completion response; see `chat`."""
        return CompletionResponse(
            text=self.text, delta=delta, raw=self._raw(), additional_kwargs=self._response_metadata()
        )

    def _arguments(self, calls: Sequence[reka.ToolCall]) -> list[dict[str, Any] | str]:
        """Return the arguments of each call: what can be read of them so far, or their text if they are invalid."""
        if self.finish is None:
            return [partial_arguments(call.arguments) for call in calls]
        parsed = parse_calls(calls, self.finish.reason)
        return [call.arguments if arguments is None else arguments for call, arguments in parsed]

    def _raw(self) -> dict[str, Any] | None:
        """Return response fields under their names in OpenAI's protocol, which LlamaIndex's token counter reads."""
        if self.finish is None:
            return None
        finish = self.finish
        return {
            "id": finish.id,
            "model": finish.model,
            "finish_reason": finish.reason,
            "request_id": finish.request_id,
            "usage": _token_counts(self.usage),
            **self.extra,
        }

    def _response_metadata(self) -> dict[str, Any]:
        if self.finish is None:
            return {}
        chunks = self.finish.retrieved_chunks
        return {
            **_token_counts(self.usage),
            **({} if self.finish.reason is None else {"finish_reason": self.finish.reason}),
            **({} if chunks is None else {"retrieved_chunks": chunks}),
        }


def answer_from_completion(completion: reka.ChatCompletion, *, parallel: bool = True) -> Answer:
    """Convert a completion to an answer."""
    answer = Answer(parallel, completion.text, completion.reasoning)
    calls = completion.tool_calls if parallel else completion.tool_calls[:1]
    answer.calls = dict(enumerate(calls))
    answer.citations = completion.citations
    answer.usage = completion.usage
    answer.finish = reka.Finish(
        completion.finish_reason, completion.model, completion.id, completion.request_id, completion.retrieved_chunks
    )
    answer.extra = completion.extra
    return answer


def chat_item(answer: Answer, event: reka.StreamEvent) -> ChatResponse | None:
    """Add an event to an answer, and return its item of the chat stream; None if the event has none."""
    answer.add(event)
    if isinstance(event, reka.Citation | reka.Usage):
        return None  # included in the last item
    if isinstance(event, reka.ReasoningDelta):
        return answer.chat("", thinking_delta=event.text)
    return answer.chat(event.text if isinstance(event, reka.TextDelta) else "")


def completion_item(answer: Answer, event: reka.StreamEvent) -> CompletionResponse | None:
    """Add an event to an answer, and return its item of the completion stream: a completion has text only."""
    answer.add(event)
    if isinstance(event, reka.TextDelta):
        return answer.completion(event.text)
    return answer.completion("") if isinstance(event, reka.Finish) else None


def tool_selections(response: ChatResponse) -> list[ToolSelection]:
    """Read the tool calls of a response.

    Raises:
        UnexpectedResponseError: The arguments of a call are not a complete JSON object, so the tool cannot be called.
    """
    reason = response.additional_kwargs.get("finish_reason")
    return [_tool_selection(block, reason) for block in response.message.blocks if isinstance(block, ToolCallBlock)]


def partial_arguments(text: str) -> dict[str, Any]:
    """Read the beginning of a JSON object, with what is there of a string; empty if nothing can be read."""
    try:
        arguments = from_json(text, allow_partial="trailing-strings", allow_inf_nan=False)
    except ValueError:
        return {}
    return arguments if isinstance(arguments, dict) else {}


def _tool_selection(block: ToolCallBlock, finish_reason: str | None) -> ToolSelection:
    kwargs = block.tool_kwargs
    if isinstance(kwargs, str):  # invalid, or from another LLM
        ((_, arguments),) = parse_calls([reka.ToolCall("", block.tool_name, kwargs)], finish_reason)
        if arguments is None:
            raise reka.UnexpectedResponseError(
                f"tool call {block.tool_name!r}: got arguments {kwargs[:200]!r} (finish reason: {finish_reason}), want "
                "a complete JSON object"
            )
        kwargs = arguments
    return ToolSelection(tool_id=block.tool_call_id or "", tool_name=block.tool_name, tool_kwargs=kwargs)


def _legacy_tool_call(call: reka.ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _citation_block(citation: reka.Citation, text: str) -> CitationBlock:
    start, end = citation.start_index, citation.end_index
    cited_text, location = "", {}
    if start is not None and end is not None:
        cited_text, location = text[start:end], {"start_index": start, "end_index": end}
    return CitationBlock(
        cited_content=TextBlock(text=cited_text),
        source=citation.url,
        title=citation.title,
        additional_location_info=location,
    )


def _token_counts(usage: reka.Usage | None) -> dict[str, Any]:
    """Return token counts under their names in OpenAI's protocol; empty if the server sends none."""
    if usage is None:
        return {}
    counts: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
    if usage.cached_input_tokens is not None:
        cached = {"cached_tokens": usage.cached_input_tokens}
        counts["prompt_tokens_details"] = {**usage.prompt_tokens_details, **cached}
    if usage.reasoning_tokens is not None:
        reasoning = {"reasoning_tokens": usage.reasoning_tokens}
        counts["completion_tokens_details"] = {**usage.completion_tokens_details, **reasoning}
    return counts if usage.cost is None else {**counts, "cost": usage.cost}
