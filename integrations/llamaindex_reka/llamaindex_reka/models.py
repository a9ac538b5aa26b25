"""What LlamaIndex needs to know of a model before it asks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Model:
    """A model's limits, in tokens."""

    context_window: int
    """Of question and answer together."""

    max_output: int
    """Of the longest answer that it can be asked for."""

    calls_tools: bool = True
    """Whether it can be given tools, through the completions endpoint."""


DEFAULT_OUTPUT: Final = 1024
"""Tokens of the longest answer if no limit is asked for. Source: the API's documented default."""

_FLASH: Final = Model(context_window=65_536, max_output=65_536)
_EDGE: Final = Model(context_window=16_384, max_output=16_384)

MODELS: Final[Mapping[str, Model]] = {
    "reka-flash": _FLASH,
    "reka-flash-3": _FLASH,
    "reka-flash-research": _FLASH,
    "reka-edge": _EDGE,
    "reka-edge-2603": _EDGE,
    "reka-core": Model(context_window=128_000, max_output=128_000),
}
"""Source: Reka documents 64k for Flash 3 and 16k for Edge; the other Flash models are taken to have no more, and 128k
for Core is what LlamaIndex's earlier adapter assumed. No limit of the output is documented but the context window."""

UNKNOWN: Final = _EDGE
"""What is assumed of a model that the table does not know: the smallest window in it, because a prompt packed too full
is refused, and one packed too loosely costs one more call. `RekaLLM(context_window=...)` says it better."""


def model_of(name: str) -> Model:
    """Tell a model's limits, cautious ones if it is not in the table."""
    return MODELS.get(name, UNKNOWN)
