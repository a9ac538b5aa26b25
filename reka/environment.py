"""Addresses of Reka's API, as `reka-api` 3 names them."""

from enum import Enum


class RekaEnvironment(Enum):
    """Address of an environment, for `Reka(environment=...)`; `base_url` takes any address."""

    DEFAULT = "https://api.reka.ai/v1"
