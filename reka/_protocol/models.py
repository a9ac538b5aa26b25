"""Models: the built-in table, and the reading of what servers say of theirs.

What a server says of a model takes precedence over the table, field by field.

Sources of the table: Reka's pages and LiteLLM's of 2026 for the present API. For `reka-flash` and `reka-core`, their
older documentation for media; the window of `reka-flash` is assumed to be that of its successor, and 128k for
`reka-core` is the value of LlamaIndex's earlier adapter. Names of other servers' fields: the lists of models of
OpenRouter, vLLM and Groq.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from reka._protocol.constants import DEFAULT_MODEL
from reka.types import Model, Pricing

_TEXT: Final = ("text",)
_SEES: Final = (*_TEXT, "image", "video")
_SEES_AND_HEARS: Final = (*_SEES, "audio", "pdf")
_TOOLS: Final = "tools"
_JSON: Final = "json_mode"
_SCHEMA: Final = "structured_outputs"
_REASONING: Final = "reasoning"


def _entry(
    name: str,
    context: int,
    output: int | None,
    takes: tuple[str, ...],
    *features: str,
    undocumented: tuple[str, ...] = (),
    **extra: str,
) -> Model:
    return Model(
        name,
        context_length=context,
        max_output_length=output,
        input_modalities=takes,
        output_modalities=_TEXT,
        supported_features=features,
        undocumented_features=undocumented,
        extra=extra,
    )


_ALL: Final = (_TOOLS, _JSON, _SCHEMA, _REASONING)

MODELS: Final[Mapping[str, Model]] = {
    model.id: model
    for model in (
        _entry(DEFAULT_MODEL, 65_536, None, _SEES_AND_HEARS, _TOOLS, undocumented=(_JSON,)),
        _entry("reka-core", 128_000, None, _SEES_AND_HEARS, _TOOLS, undocumented=(_JSON,)),
        _entry("reka-edge", 16_384, 14_745, _SEES, _TOOLS, _SCHEMA),
        _entry("reka-flash-3", 65_536, 58_982, _TEXT, _SCHEMA, _REASONING, hugging_face_id="RekaAI/reka-flash-3"),
        _entry("reka-edge-2603", 16_384, 14_745, _SEES, _TOOLS, _SCHEMA),
        _entry("reka-flash-research", 65_536, None, _TEXT, _SCHEMA, _REASONING, "web_search", undocumented=(_TOOLS,)),
        _entry("deepseek4-flash", 1_000_000, 384_000, _TEXT, *_ALL),
        _entry("deepseek-v4-pro", 1_000_000, 393_216, _TEXT, *_ALL),
        _entry("glm5.3", 262_144, 131_072, _TEXT, *_ALL),
        _entry("glm5.3-flash", 262_144, 131_072, _TEXT, *_ALL),
        _entry("qwen3.8-27b", 262_144, 131_072, _TEXT, _TOOLS),
    )
}
"""The built-in table: models by name, the default one first."""

REKA_MODELS: Final = tuple(name for name in MODELS if name.startswith("reka-"))
"""Names of Reka's models, the default one first."""

_FACTS: Final = (
    "context_length",
    "max_output_length",
    "input_modalities",
    "output_modalities",
    "supported_features",
    "supported_sampling_parameters",
)
"""Fields of `Model` that may be filled from the table, or be read from fields of other names."""

_LENGTHS: Final[Mapping[str, tuple[str, ...]]] = {
    "context_length": ("context_length", "max_model_len", "context_window"),
    "max_output_length": ("max_output_length", "max_completion_tokens", "max_output_tokens"),
}
"""Names of the lengths, Reka's first."""

_PRICES: Final = ("prompt", "completion", "input_cache_read")
_FEATURE_OF_PARAMETER: Final[Mapping[str, str]] = {
    "tools": _TOOLS,
    "response_format": _JSON,
    "structured_outputs": _SCHEMA,
    "reasoning": _REASONING,
}
"""Features by the request parameter that uses them: OpenRouter lists parameters."""


def model_of(name: str) -> Model | None:
    """Look up a model in the built-in table; None if it is unknown.

    A name with a suffix, such as a date, refers to the longest known name that it starts with.
    """
    if name in MODELS:
        return MODELS[name]
    longest = max((prefix for prefix in MODELS if name.startswith(prefix)), key=len, default=None)
    return None if longest is None else MODELS[longest]


@lru_cache(maxsize=256)  # asked at each call of an adapter
def with_table_facts(model: Model) -> Model:
    """Fill what a server does not say of a model from the built-in table."""
    entry = model_of(model.id)
    if entry is None:
        return model
    missing = {name: getattr(entry, name) for name in _FACTS if getattr(model, name) is None}
    undocumented = entry.undocumented_features if model.supported_features is None else ()
    return replace(model, extra={**entry.extra, **model.extra}, undocumented_features=undocumented, **missing)


def listed_models(document: object) -> dict[str, Mapping[str, Any]] | None:
    """Read a list of models: bare names, objects with an `id`, or either in OpenAI's `{"data": [...]}`.

    Returns:
        The fields of each model by its name, the first of each name; None if there is no list. Entries without a name
        are left out.
    """
    listed = document.get("data") if isinstance(document, Mapping) else document
    if not isinstance(listed, list):
        return None
    models: dict[str, Mapping[str, Any]] = {}
    for entry in listed:
        fields = entry if isinstance(entry, Mapping) else {"id": entry}
        if isinstance(name := fields.get("id"), str) and name:
            models.setdefault(name, fields)
    return models


def read_model(fields: Mapping[str, Any]) -> Model:
    """Read the fields of a model that has an `id`, under Reka's names or those of other servers.

    A field that has no place, or another type than it should have, is kept in `extra`.
    """
    values: dict[str, Any] = {name: _text(fields.get(name)) for name in ("name", "description")}
    more = [group for name in ("architecture", "top_provider") if isinstance(group := fields.get(name), Mapping)]
    for name, names in _LENGTHS.items():
        values[name] = _first(_length(group.get(other)) for group in (fields, *more) for other in names)
    for name in ("input_modalities", "output_modalities"):
        # An empty list says nothing: every model takes something.
        values[name] = _first(_names(group.get(name)) or None for group in (fields, *more))
    parameters = _names(fields.get("supported_parameters"))
    values["supported_features"] = _first((_names(fields.get("supported_features")), _features(parameters)))
    values["supported_sampling_parameters"] = _first(
        (_names(fields.get("supported_sampling_parameters")), _sampling(parameters))
    )
    values["pricing"] = _pricing(fields.get("pricing"))
    extra = {name: value for name, value in fields.items() if name != "id" and values.get(name) is None}
    return Model(fields["id"], **values, extra=extra)


def model_fields(model: Model) -> dict[str, Any]:
    """The limits, modalities and features of a model, in the fields of `GET /v1/models`; unknown ones are left out."""
    fields = {name: getattr(model, name) for name in _FACTS}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in fields.items() if value is not None
    }


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _names(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    return tuple(name for name in value if isinstance(name, str))


def _number(value: object) -> float | None:
    """Read a number, or the text of one; None if it is neither, or is negative, which stands for a variable price."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _length(value: object) -> int | None:
    number = _number(value)
    return int(number) if number else None


def _features(parameters: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if parameters is None:
        return None
    return tuple(feature for parameter, feature in _FEATURE_OF_PARAMETER.items() if parameter in parameters)


def _sampling(parameters: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if parameters is None:
        return None
    others = {*_FEATURE_OF_PARAMETER, "tool_choice", "include_reasoning"}
    return tuple(name for name in parameters if name not in others)


def _pricing(value: object) -> Pricing | None:
    if not isinstance(value, Mapping):
        return None
    prices = {name: _number(value.get(name)) for name in _PRICES}
    if all(price is None for price in prices.values()):
        return None
    extra = {name: price for name, price in value.items() if prices.get(name) is None}
    return Pricing(**prices, extra=extra)
