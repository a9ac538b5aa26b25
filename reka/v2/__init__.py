"""`reka-api` 2 as `reka-api` 3 has it: `reka.v2` is `reka`, `reka.v2.errors` is `reka.errors`, and so on.

`reka.v2.API_KEY` and `reka.v2._SERVER` are settings of `reka` that count where `reka` has none.
"""

import sys
from typing import TYPE_CHECKING

import reka
from reka import __version__, api, errors
from reka.module_api import (
    add_dataset,
    chat,
    delete_dataset,
    list_datasets,
    list_models,
    prepare_retrieval,
    retrieval_job_status,
)
from reka.types import PrepareRetrievalStatusResponse

__all__ = [
    "API_KEY",
    "PrepareRetrievalStatusResponse",
    "__version__",
    "add_dataset",
    "api",
    "chat",
    "delete_dataset",
    "errors",
    "list_datasets",
    "list_models",
    "prepare_retrieval",
    "retrieval_job_status",
]

API_KEY: str | None
"""As `reka.API_KEY`."""

_SERVER: str
"""As `reka._SERVER`."""

# The same modules under these names, so that what they define is one.
sys.modules |= {f"{__name__}.errors": errors, f"{__name__}.api": api}
sys.modules |= {f"{__name__}.api.{name}": getattr(api, name) for name in api.__all__}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in ("API_KEY", "_SERVER"):
            raise AttributeError(f"module 'reka.v2' has no attribute {name!r}")
        return getattr(reka, name)
