"""Models."""

from reka.module_api import list_models

__all__ = ["list_models"]
