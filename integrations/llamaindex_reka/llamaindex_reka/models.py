"""Limits and capabilities of Reka's models, by which LlamaIndex plans its requests."""

from typing import Final

from reka.adapters import Model
from reka.adapters import model_of as find_model

DEFAULT_OUTPUT: Final = 1024
"""Maximum tokens of an answer if the request sets no limit. Source: the API's documented default."""

UNKNOWN: Final = Model(context_window=16_384)
"""Limits of an unknown model. The context window is the smallest of Reka's models: too long a prompt is rejected, while
too short a one costs an additional call. `RekaLLM(context_window=...)` overrides it."""


def model_of(name: str) -> Model:
    """Return the limits of a model; conservative ones if it is unknown."""
    return find_model(name) or UNKNOWN
