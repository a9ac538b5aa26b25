"""What a model answered, as LlamaIndex's responses: whole, or as it is being written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
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
from llama_index.core.llms.utils import parse_partial_json

import reka


@dataclass(slots=True)
class Answer:
    """An answer so far: events are added to it as they come, and it can be shown at any time."""

    parallel: bool = True
    """Whether more than one tool call may be in it; else the first is kept, and the model can make the others later."""

    text: str = ""
    reasoning: str = ""
    calls: dict[int, reka.ToolCall] = field(default_factory=dict)
    citations: list[reka.Citation] = field(default_factory=list)
    usage: reka.Usage | None = None
    finish: reka.Finish | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def add(self, event: reka.StreamEvent) -> None:
        """Take an event in."""
        if isinstance(event, reka.TextDelta):
            self.text += event.text
        elif isinstance(event, reka.ReasoningDelta):
            self.reasoning += event.text
        elif isinstance(event, reka.ToolCallDelta):
            self._add_call(event)
        elif isinstance(event, reka.Citation):
            self.citations.append(event)
        elif isinstance(event, reka.Usage):
            self.usage = event
        else:
            self.finish = event

    def _add_call(self, piece: reka.ToolCallDelta) -> None:
        if not self.parallel and self.calls and piece.index not in self.calls:
            return
        so_far = self.calls.get(piece.index, reka.ToolCall("", "", ""))
        self.calls[piece.index] = reka.ToolCall(
            so_far.id or piece.id, so_far.name or piece.name, so_far.arguments + piece.arguments
        )

    def message(self) -> ChatMessage:
        """The assistant's message: thoughts, text, tool calls, citations."""
        blocks: list[Any] = []
        if self.reasoning:
            blocks.append(ThinkingBlock(content=self.reasoning))
        if self.text or not self.calls:
            blocks.append(TextBlock(text=self.text))
        if not self.calls and not self.citations:
            return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks)
        calls = [(_call_id(index, call), call) for index, call in sorted(self.calls.items())]
        blocks += [self._tool_call_block(call_id, call) for call_id, call in calls]
        blocks += [_citation_block(citation, self.text) for citation in self.citations]
        # LlamaIndex streams structured output out of this older form alone.
        older = {"tool_calls": [_older_form(call_id, call) for call_id, call in calls]} if calls else {}
        return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=older)

    def chat(self, delta: str | None = None, **besides: Any) -> ChatResponse:
        """The response to a chat.

        Args:
            delta: New text, where it is streamed.
            besides: More of its `additional_kwargs`.
        """
        return ChatResponse(
            message=self.message(),
            delta=delta,
            raw=self._raw(),
            additional_kwargs={**self._response_metadata(), **besides},
        )

    def completion(self, delta: str | None = None, **besides: Any) -> CompletionResponse:
        """The response to a prompt; see `chat`."""
        return CompletionResponse(
            text=self.text, delta=delta, raw=self._raw(), additional_kwargs={**self._response_metadata(), **besides}
        )

    def _tool_call_block(self, call_id: str, call: reka.ToolCall) -> ToolCallBlock:
        arguments = arguments_of(call.arguments)
        if arguments is None and self.finish is None:
            arguments = _arguments_so_far(call.arguments)
        return ToolCallBlock(
            tool_call_id=call_id,
            tool_name=call.name,
            tool_kwargs=call.arguments if arguments is None else arguments,
        )

    def _raw(self) -> dict[str, Any] | None:
        """What the server said, under the protocol's names: where LlamaIndex's handlers look for token counts."""
        if self.finish is None:
            return None
        finish = self.finish
        return {
            "id": finish.id,
            "model": finish.model,
            "finish_reason": finish.reason,
            "request_id": finish.request_id,
            "usage": _counts(self.usage),
            **self.extra,
        }

    def _response_metadata(self) -> dict[str, Any]:
        if self.finish is None:
            return {}
        chunks = self.finish.retrieved_chunks
        return {
            **_counts(self.usage),
            **({} if self.finish.reason is None else {"finish_reason": self.finish.reason}),
            **({} if chunks is None else {"retrieved_chunks": chunks}),
        }


def answer_from_completion(completion: reka.ChatCompletion, *, parallel: bool = True) -> Answer:
    """The answer that came in one piece."""
    answer = Answer(parallel, completion.text, completion.reasoning)
    kept = completion.tool_calls if parallel else completion.tool_calls[:1]
    answer.calls = dict(enumerate(kept))
    answer.citations = completion.citations
    answer.usage = completion.usage
    answer.finish = reka.Finish(
        completion.finish_reason, completion.model, completion.id, completion.request_id, completion.retrieved_chunks
    )
    answer.extra = completion.extra
    return answer


def chat_item(answer: Answer, event: reka.StreamEvent) -> ChatResponse | None:
    """Take an event of a stream in, and give the item that stands for it; None if it has none of its own."""
    answer.add(event)
    if isinstance(event, reka.Citation | reka.Usage):
        return None  # they come with the last item
    if isinstance(event, reka.ReasoningDelta):
        return answer.chat("", thinking_delta=event.text)
    return answer.chat(event.text if isinstance(event, reka.TextDelta) else "")


def completion_item(answer: Answer, event: reka.StreamEvent) -> CompletionResponse | None:
    """See `chat_item`; a completion has neither thoughts nor tool calls."""
    answer.add(event)
    if isinstance(event, reka.TextDelta):
        return answer.completion(event.text)
    return answer.completion("") if isinstance(event, reka.Finish) else None


def tool_selections(response: ChatResponse) -> list[ToolSelection]:
    """Read the tool calls of a response.

    Raises:
        UnexpectedResponseError: The model wrote arguments that are no JSON object: there is nothing to call the tool
            with.
    """
    message = response.message
    blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    return [_selection(block) for block in blocks]


def arguments_of(written: str) -> dict[str, Any] | None:
    """Read a tool call's arguments; None if they are no JSON object. No text at all stands for no arguments."""
    try:
        arguments = json.loads(written or "{}")
    except ValueError:
        return None
    return arguments if isinstance(arguments, dict) else None


def _arguments_so_far(written: str) -> dict[str, Any]:
    try:
        arguments = parse_partial_json(written)
    except ValueError:
        return {}
    return arguments if isinstance(arguments, dict) else {}


def _selection(block: ToolCallBlock) -> ToolSelection:
    written = block.tool_kwargs
    arguments = arguments_of(written) if isinstance(written, str) else written
    if arguments is None:
        raise reka.UnexpectedResponseError(
            f"the model calls the tool {block.tool_name!r} with {str(written)[:200]!r}, which is no JSON object"
        )
    return ToolSelection(tool_id=block.tool_call_id or "", tool_name=block.tool_name, tool_kwargs=arguments)


def _call_id(index: int, call: reka.ToolCall) -> str:
    """The id that the result is to be labelled with: with none, those of parallel calls could not be told apart."""
    return call.id or f"call-{index}"


def _older_form(call_id: str, call: reka.ToolCall) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _citation_block(citation: reka.Citation, text: str) -> CitationBlock:
    start, end = citation.start_index, citation.end_index
    cited, location = "", {}
    if start is not None and end is not None:
        cited, location = text[start:end], {"start_index": start, "end_index": end}
    return CitationBlock(
        cited_content=TextBlock(text=cited),
        source=citation.url,
        title=citation.title,
        additional_location_info=location,
    )


def _counts(usage: reka.Usage | None) -> dict[str, int]:
    """Token counts under the names that LlamaIndex's other LLMs use; none if the server sends none."""
    if usage is None:
        return {}
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
