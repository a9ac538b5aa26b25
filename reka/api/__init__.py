"""The modules of `reka-api` 2, for programs that import from them; what they hold is in `reka`, by the same names."""

from reka.api import chat, dataset, driver, job, models, retrieval

__all__ = ["chat", "dataset", "driver", "job", "models", "retrieval"]
