"""What LlamaIndex needs to know of a model before it asks it."""

from typing import Final

from reka.adapters import Model
from reka.adapters import model_of as known_model

DEFAULT_OUTPUT: Final = 1024
"""Tokens of the longest answer if no limit is asked for. Source: the API's documented default."""

UNKNOWN: Final = Model(context_window=16_384)
"""What is assumed of a model that is not known: the smallest window there is, because a prompt packed too full is
refused, and one packed too loosely costs one more call. `RekaLLM(context_window=...)` says it better."""


def model_of(name: str) -> Model:
    """Tell a model's limits, cautious ones if it is not known."""
    return known_model(name) or UNKNOWN
