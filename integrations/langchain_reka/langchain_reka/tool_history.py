"""Tool calls and results of earlier messages, in an order and a form that every server accepts.

Servers require that each result follows its call, that each call has a result, and that arguments are a JSON object. An
invalid call of LangChain's messages has no such arguments, and often no result, because no tool ran.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

import reka
from reka.adapters import orphan_results, write_arguments

INVALID_PREFIX: Final = "]"
"""Begins the arguments of an invalid call in a stream. LangChain completes what it can of the arguments in chunks, and
takes NaN, so an agent would run the tool with them; it gives up at an unmatched bracket."""

NOT_RUN: Final = "Error: the tool was not run, because its arguments were incomplete or not a JSON object."
"""Result of an invalid call that has none."""

_CALL_BLOCKS: Final = frozenset({"tool_call", "tool_use"})
_NAMELESS: Final = "unknown"


def with_results_in_place(messages: Sequence[BaseMessage]) -> list[tuple[int, BaseMessage]]:
    """Make a message of each tool result, and add those that invalid calls lack.

    Returns:
        The messages, each with the index of the one that it was made from.
    """
    split = [(index, part) for index, message in enumerate(messages) for part in _split_results(message)]
    results = {part.tool_call_id for _, part in split if isinstance(part, ToolMessage)}
    return [(index, part) for index, message in split for part in (message, *_missing_results(message, results))]


def tool_calls(message: AIMessage) -> list[dict[str, Any]]:
    """Collect all tool calls of a message: valid ones, invalid ones, and legacy forms.

    Raises:
        InvalidConversationError: Arguments contain themselves, or are nested too deeply.
    """
    calls = [_tool_call(call["id"], call["name"], call["args"]) for call in message.tool_calls]
    calls += [
        _tool_call(call["id"], call["name"] or _NAMELESS, (call["args"] or "").removeprefix(INVALID_PREFIX))
        for call in message.invalid_tool_calls
    ]
    if isinstance(message.content, list):
        ids = {call["id"] for call in calls}
        blocks = [block for block in message.content if isinstance(block, dict) and block.get("type") in _CALL_BLOCKS]
        calls += [
            _tool_call(block.get("id"), block.get("name"), block.get("args", block.get("input", {})))
            for block in blocks
            if block.get("id") not in ids
        ]
    function = message.additional_kwargs.get("function_call")
    if isinstance(function, Mapping) and not calls:
        calls = [_tool_call(function.get("name"), function.get("name"), function.get("arguments", "{}"))]
    return calls


def check_results(messages: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """Reject a result that refers to no earlier call: the model could not interpret it.

    Args:
        messages: Converted messages, each with the index of the one that it was made from.

    Raises:
        InvalidConversationError: There is such a result.
    """
    indices, converted = zip(*messages, strict=True) if messages else ((), ())
    for orphan in orphan_results(converted):
        raise reka.InvalidConversationError(
            f"message {indices[orphan]}: got a tool message for the call {converted[orphan]['tool_call_id']!r}, which "
            "no earlier AI message made; keep the AI message with its tool_calls before it"
        )


def _tool_call(call_id: str | None, name: str | None, arguments: object) -> dict[str, Any]:
    return {"id": call_id or "", "name": name or "", "arguments": write_arguments(arguments)}


def _split_results(message: BaseMessage) -> Sequence[BaseMessage]:
    """Move tool results that are blocks of a human message, as in Anthropic's format, into tool messages."""
    if isinstance(message.content, str) or not isinstance(message, HumanMessage):
        return (message,)
    parts: list[BaseMessage] = []
    for are_results, group in groupby(message.content, _is_result):
        blocks = list(group)
        parts += map(_to_tool_message, blocks) if are_results else [HumanMessage(blocks)]
    return parts or (message,)


def _is_result(block: object) -> bool:
    return isinstance(block, Mapping) and block.get("type") == "tool_result"


def _to_tool_message(block: Any) -> ToolMessage:
    status: Literal["success", "error"] = "error" if block.get("is_error") else "success"
    return ToolMessage(block.get("content") or "", tool_call_id=str(block.get("tool_use_id")), status=status)


def _missing_results(message: BaseMessage, results: set[str]) -> Iterator[ToolMessage]:
    """Make a result for each invalid call that has none."""
    for call in message.invalid_tool_calls if isinstance(message, AIMessage) else ():
        if call["id"] not in results:
            yield ToolMessage(NOT_RUN, tool_call_id=call["id"] or "", status="error")
