"""Requests of the completions endpoint; its answers are in `reka.testing.bodies`."""

from typing import Any, Final

HI: Final[list[dict[str, Any]]] = [{"role": "user", "content": "Hi"}]
TOOL: Final[dict[str, Any]] = {
    "name": "weather",
    "description": "Tells it",
    "parameters": {"type": "object", "properties": {}},
}
