"""Requests of the completions endpoint, and its answers as the live host writes them; see also `streams`."""

import json
from typing import Any, Final

HI: Final[list[dict[str, Any]]] = [{"role": "user", "content": "Hi"}]
TOOL: Final[dict[str, Any]] = {
    "name": "weather",
    "description": "Tells it",
    "parameters": {"type": "object", "properties": {}},
}


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
