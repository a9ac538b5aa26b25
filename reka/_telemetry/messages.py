"""Contents of conversations as span attributes: only where the user opts in, by the conventions' own variable."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

__all__ = ["captures_content", "input_messages", "output_messages", "retrieved_documents"]

_CAPTURE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_CAPTURING: Final = frozenset({"true", "span_only", "span_and_event"})

MAX_TEXT_CHARS: Final = 50_000
"""Characters after which a text is cut off (ours)."""


def captures_content() -> bool:
    """Whether spans may have the texts of questions, answers and queries, and the names of datasets of a server."""
    return os.environ.get(_CAPTURE, "").strip().lower() in _CAPTURING


def input_messages(messages: Iterable[Mapping[str, Any]]) -> str:
    """Write `gen_ai.input.messages` of messages in OpenAI's form; of media, only what kind they are."""
    return _json([_input_message(message) for message in messages])


def output_messages(text: str, tool_calls: Sequence[tuple[str, str, str]], finish_reason: str | None) -> str:
    """Write `gen_ai.output.messages` of an answer; each tool call is its id, name and arguments."""
    calls = [
        {"type": "tool_call", "id": number, "name": name, "arguments": arguments[:MAX_TEXT_CHARS]}
        for number, name, arguments in tool_calls
    ]
    parts = [*([_text(text)] if text else []), *calls]
    return _json([{"role": "assistant", "parts": parts, "finish_reason": finish_reason or ""}])


def retrieved_documents(chunks: Iterable[tuple[str, float]]) -> str:
    """Write `gen_ai.retrieval.documents` of chunks: their ids and scores."""
    return _json([{"id": number, "score": score} for number, score in chunks])


def _input_message(message: Mapping[str, Any]) -> dict[str, Any]:
    content, role = message.get("content"), str(message.get("role"))
    if role == "tool":
        return {"role": role, "parts": [{"type": "tool_call_response", "response": _cut(content)}]}
    items = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    return {"role": role, "parts": [_part(item) for item in items if isinstance(item, Mapping)]}


def _part(item: Mapping[str, Any]) -> dict[str, Any]:
    return _text(item.get("text")) if item.get("type") == "text" else {"type": str(item.get("type"))}


def _text(text: object) -> dict[str, Any]:
    return {"type": "text", "content": _cut(text)}


def _cut(text: object) -> str:
    return str(text)[:MAX_TEXT_CHARS]


def _json(value: object) -> str:
    # A surrogate, which UTF-8 cannot write, becomes its escape: the whole batch of the span could not be sent else.
    return json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace").decode()
