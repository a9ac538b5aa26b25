"""`RequestOptions`, where programs for `reka-api` 3 import it."""

from reka.types.sdk3 import RequestOptions

__all__ = ["RequestOptions"]
