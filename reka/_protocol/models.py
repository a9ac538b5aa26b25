"""The models that are known by name, and what is known of them.

Sources: Reka's own pages and LiteLLM's of 2026 for those of the present API, which change: `GET /v1/models` is what
counts. For `reka-flash` and `reka-core`, of the generation before, what its documentation said of their media; the
window of `reka-flash` is taken to be that of its successor, and 128k for `reka-core` is what LlamaIndex's earlier
adapter assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from reka._protocol.defaults import DEFAULT_MODEL

_SEES: Final = frozenset({"image_url", "video_url"})
_SEES_AND_HEARS: Final = _SEES | {"audio_url", "pdf_url"}
_SCHEMA: Final = frozenset({"json_schema"})
_ANY_FORMAT: Final = frozenset({"json_object", "json_schema"})


@dataclass(frozen=True, slots=True)
class Model:
    """What is known of a model. None: nobody says."""

    context_window: int
    """Tokens of question and answer together."""

    max_output: int | None = None
    """Tokens of the longest answer that it can be asked for."""

    media: frozenset[str] = frozenset()
    """Types of the media parts that it takes."""

    calls_tools: bool | None = None
    """Whether it can be given tools, at the completions endpoint."""

    response_formats: frozenset[str] = frozenset()
    """Types of `response_format` that it takes."""

    reasons: bool = False
    """Whether it shows what it thinks before it answers."""

    has_open_weights: bool | None = None


_FLASH_3: Final = Model(65_536, 58_982, frozenset(), False, _SCHEMA, reasons=True, has_open_weights=True)
_EDGE: Final = Model(16_384, 14_745, _SEES, True, _SCHEMA)
_DEEPSEEK: Final = Model(1_000_000, 384_000, frozenset(), True, _ANY_FORMAT, reasons=True)
_GLM: Final = Model(262_144, 131_072, frozenset(), True, _ANY_FORMAT, reasons=True)

MODELS: Final[Mapping[str, Model]] = {
    DEFAULT_MODEL: Model(65_536, None, _SEES_AND_HEARS, True),
    "reka-core": Model(128_000, None, _SEES_AND_HEARS, True),
    "reka-edge": _EDGE,
    "reka-flash-3": _FLASH_3,
    "reka-edge-2603": _EDGE,
    "reka-flash-research": Model(65_536, None, frozenset(), None, _SCHEMA, reasons=True),
    "deepseek4-flash": _DEEPSEEK,
    "deepseek-v4-pro": replace(_DEEPSEEK, max_output=393_216),
    "glm5.3": _GLM,
    "glm5.3-flash": _GLM,
    "qwen3.8-27b": Model(262_144, 131_072, frozenset(), True),
}
"""By name, the default one first."""

REKA_MODELS: Final = tuple(name for name in MODELS if name.startswith("reka-"))
"""Names of Reka's own models, the default one first."""


def model_of(name: str) -> Model | None:
    """What is known of a model; None if nothing is.

    A name with more behind it, such as a date, is that of the longest known name which it begins with.
    """
    known = MODELS.get(name)
    if known is None:
        longest = max((begin for begin in MODELS if name.startswith(begin)), key=len, default=None)
        known = None if longest is None else MODELS[longest]
    return known
