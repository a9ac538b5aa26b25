"""What programs for `reka-api` 3 import from `reka.core`."""

from reka.core.request_options import RequestOptions
from reka.errors.api_error import ApiError

__all__ = ["ApiError", "RequestOptions"]
