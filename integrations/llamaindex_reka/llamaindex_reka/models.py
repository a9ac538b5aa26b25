"""What LlamaIndex needs to know of a model before it asks it."""

from collections.abc import Mapping
from typing import Final

CONTEXT_WINDOWS: Final[Mapping[str, int]] = {
    "reka-flash": 65_536,
    "reka-flash-3": 65_536,
    "reka-flash-research": 65_536,
    "reka-edge": 16_384,
    "reka-edge-2603": 16_384,
    "reka-core": 128_000,
}
"""Tokens of question and answer together, by model. Source: Reka documents 64k for Flash 3 and 16k for Edge;
the other Flash models are taken to have no more, and 128k for Core is what LlamaIndex's earlier adapter assumed."""

UNKNOWN_CONTEXT_WINDOW: Final = 16_384
"""Tokens assumed of a model that the table does not know: the smallest in it, because a prompt packed too full is
refused, and one packed too loosely costs one more call."""

DEFAULT_OUTPUT: Final = 1024
"""Tokens of the longest answer if no limit is asked for. Source: the API's documented default."""


def context_window(model: str) -> int:
    """Tell how many tokens question and answer may have together."""
    return CONTEXT_WINDOWS.get(model, UNKNOWN_CONTEXT_WINDOW)
