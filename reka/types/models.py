"""What a server says of its models: limits, modalities, features and prices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reka.types.completion import Usage

_SYNONYMS: Final[Mapping[str, frozenset[str]]] = {
    "pdf": frozenset({"pdf", "file", "document"}),
    "tools": frozenset({"tools", "tool_choice", "tool_calling", "tool_use", "function_calling"}),
}
"""What servers call the same modality or feature, where they differ."""


@dataclass(frozen=True, slots=True)
class Pricing:
    """Prices of a model in US dollars a token. None means unknown."""

    prompt: float | None = None
    """Price of an input token."""

    completion: float | None = None
    """Price of an output token, reasoning included."""

    input_cache_read: float | None = None
    """Price of an input token that the server reads from its cache."""

    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Further prices, unchanged."""

    def cost_of(self, usage: Usage) -> float | None:
        """Compute the price of an answer in US dollars from its token counts; None if a price is unknown.

        Cached input tokens have their own price if there is one. Prices other than those of tokens are left out.
        """
        if self.prompt is None or self.completion is None:
            return None
        cached = 0
        if self.input_cache_read is not None and usage.cached_input_tokens:
            cached = min(usage.cached_input_tokens, usage.input_tokens)
        input_cost = (usage.input_tokens - cached) * self.prompt + cached * (self.input_cache_read or 0.0)
        return input_cost + usage.output_tokens * self.completion


@dataclass(frozen=True, slots=True)
class Model:
    """A model that a server offers. None means that neither the server nor this package says it."""

    id: str
    """Name of the model in requests."""

    name: str | None = None
    """Name for people."""

    description: str | None = None

    context_length: int | None = None
    """Context window: tokens of prompt and answer together."""

    max_output_length: int | None = None
    """Maximum length of an answer, in tokens."""

    input_modalities: tuple[str, ...] | None = None
    """What it takes, such as `text`, `image`, `video`, `audio`, `pdf`; see `takes`."""

    output_modalities: tuple[str, ...] | None = None
    """What it answers with, such as `text`."""

    supported_features: tuple[str, ...] | None = None
    """What it supports, such as `tools`, `json_mode`, `structured_outputs`, `reasoning`; see `supports`."""

    supported_sampling_parameters: tuple[str, ...] | None = None
    """Names of sampling parameters that it follows, such as `temperature`."""

    pricing: Pricing | None = None

    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """All other fields that the server sent, unchanged."""

    undocumented_features: tuple[str, ...] = ()
    """Features that it may or may not have; of models of the built-in table alone."""

    def takes(self, modality: str) -> bool | None:
        """Whether it takes a modality: `text`, `image`, `video`, `audio` or `pdf`; None if unknown."""
        return _includes(self.input_modalities, modality)

    def supports(self, feature: str) -> bool | None:
        """Whether it supports a feature, such as `tools`; None if unknown."""
        return None if feature in self.undocumented_features else _includes(self.supported_features, feature)


def _includes(names: tuple[str, ...] | None, name: str) -> bool | None:
    return None if names is None else not _SYNONYMS.get(name, frozenset({name})).isdisjoint(names)
