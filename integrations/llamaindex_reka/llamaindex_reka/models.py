"""Limits and capabilities of Reka's models, by which LlamaIndex plans its requests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Model:
    """Limits of a model, in tokens, and its tool support."""

    context_window: int
    """Maximum total length of prompt and answer."""

    max_output: int
    """Maximum length of an answer."""

    calls_tools: bool = True
    """Whether the model supports tools, on the completions endpoint."""


DEFAULT_OUTPUT: Final = 1024
"""Maximum tokens of an answer if the request sets no limit. Source: the API's documented default."""

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
"""Source: Reka documents 64k for Flash 3 and 16k for Edge. The other Flash models are assumed to have the same limit;
128k for Core is the value of `llama-index-llms-reka`. The only documented limit of the output is the context window."""

UNKNOWN: Final = _EDGE
"""Limits of a model that is not in the table. The context window is the smallest in the table: too long a prompt is
rejected, while too short a one costs an additional call. `RekaLLM(context_window=...)` overrides it."""


def model_of(name: str) -> Model:
    """Return the limits of a model; conservative ones if it is not in the table."""
    return MODELS.get(name, UNKNOWN)
