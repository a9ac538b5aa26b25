"""Limits of Reka's models, by which LlamaIndex plans its requests, where nothing is known of a model."""

from typing import Final

DEFAULT_OUTPUT: Final = 1024
"""Maximum tokens of an answer if the request sets no limit. Source: the API's documented default."""

UNKNOWN_WINDOW: Final = 16_384
"""Context window of an unknown model: the smallest of Reka's models. Too long a prompt is rejected, while too short a
one costs an additional call. `RekaLLM(context_window=...)` overrides it."""
