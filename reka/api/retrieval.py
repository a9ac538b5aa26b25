"""Retrieval."""

from reka.module_api import prepare_retrieval, retrieval_job_status
from reka.types import PrepareRetrievalStatusResponse

__all__ = ["PrepareRetrievalStatusResponse", "prepare_retrieval", "retrieval_job_status"]
