"""Known models with their limits and features.

Sources: Reka's pages and LiteLLM's of 2026 for the present API; they change, and `GET /v1/models` takes precedence.
For `reka-flash` and `reka-core`, their older documentation for media; the window of `reka-flash` is assumed to be that
of its successor, and 128k for `reka-core` is the value of LlamaIndex's earlier adapter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from reka._protocol.constants import DEFAULT_MODEL
from reka._protocol.media import MEDIA_KINDS

_SEES: Final = frozenset({"image_url", "video_url"})
_SEES_AND_HEARS: Final = _SEES | {"audio_url", "pdf_url"}
_SCHEMA: Final = frozenset({"json_schema"})
_ANY_FORMAT: Final = frozenset({"json_object", "json_schema"})


@dataclass(frozen=True, slots=True)
class Model:
    """Limits and features of a model. None means unknown."""

    context_window: int
    """Context window: tokens of prompt and answer together."""

    max_output: int | None = None
    """Maximum length of an answer, in tokens."""

    media: frozenset[str] = frozenset()
    """Types of media parts that it accepts."""

    calls_tools: bool | None = None
    """Whether it supports tools, at the completions endpoint."""

    response_formats: frozenset[str] | None = None
    """Types of `response_format` that it supports."""

    reasons: bool = False
    """Whether it returns its reasoning."""

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
    "qwen3.8-27b": Model(262_144, 131_072, frozenset(), True, frozenset()),
}
"""Models by name, the default one first."""

REKA_MODELS: Final = tuple(name for name in MODELS if name.startswith("reka-"))
"""Names of Reka's models, the default one first."""


def model_of(name: str) -> Model | None:
    """Look up a model; None if it is unknown.

    A name with a suffix, such as a date, refers to the longest known name that it starts with.
    """
    if name in MODELS:
        return MODELS[name]
    longest = max((prefix for prefix in MODELS if name.startswith(prefix)), key=len, default=None)
    return None if longest is None else MODELS[longest]


def model_fields(name: str) -> dict[str, Any]:
    """What is known of a model, in the fields of `GET /v1/models`; empty if it is unknown."""
    model = model_of(name)
    if model is None:
        return {}
    features = {
        "tools": model.calls_tools,
        "json_mode": "json_object" in (model.response_formats or ()),
        "structured_outputs": "json_schema" in (model.response_formats or ()),
        "reasoning": model.reasons,
    }
    output = {} if model.max_output is None else {"max_output_length": model.max_output}
    return {
        "context_length": model.context_window,
        **output,
        "input_modalities": ["text", *(kind.removesuffix("_url") for kind in MEDIA_KINDS if kind in model.media)],
        "output_modalities": ["text"],
        "supported_features": [feature for feature, has in features.items() if has],
    }
