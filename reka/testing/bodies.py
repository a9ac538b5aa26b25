"""Bodies of answers of the completions endpoint, whole and streamed, as Reka's host writes them."""

import json
from typing import Any, Final

DONE: Final = b"data: [DONE]\n\n"
"""The end of a stream."""


def completion(finish_reason: str | None = "stop", **message: Any) -> dict[str, Any]:
    """A whole answer.

    Args:
        finish_reason: Why the text ends.
        message: Fields of the message.
    """
    return {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": "reka-flash",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "", **message}, "finish_reason": finish_reason}
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }


def tool_call(call_id: str, name: str, **arguments: Any) -> dict[str, Any]:
    """A tool call in a message."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def events(*documents: object) -> bytes:
    """Server-sent events, one a document."""
    return b"".join(f"data: {json.dumps(document, ensure_ascii=False)}\n\n".encode() for document in documents)


def chunk(finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    """A chunk of a streamed answer."""
    return {
        "id": "c-1",
        "object": "chat.completion.chunk",
        "model": "reka-flash",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }


def call_pieces(index: int, call_id: str, name: str, *arguments: str) -> list[dict[str, Any]]:
    """Chunks of a streamed tool call: its id and name first, then its arguments, piece by piece."""
    start = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
    further = [{"index": index, "function": {"arguments": piece}} for piece in arguments]
    return [chunk(tool_calls=[each]) for each in (start, *further)]


def texts(*contents: str) -> bytes:
    """A whole streamed answer, one chunk a text."""
    return events(*(chunk(content=content) for content in contents), chunk("stop")) + DONE
