"""`ApiError`, where programs for `reka-api` 3 import it."""

from reka.errors.api_error import ApiError

__all__ = ["ApiError"]
