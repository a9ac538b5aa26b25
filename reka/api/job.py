"""Jobs."""

from dataclasses import asdict
from typing import Any, Final

from reka.errors import InvalidArgumentError
from reka.module_api import retrieval_job_status
from reka.types import JobStatus

__all__ = ["JobStatus", "job_status"]

_PREPARE_RETRIEVAL: Final = "prepare-retrieval"


def job_status(job_id: str, job_type: str) -> dict[str, Any]:
    """Get the status of a job as a dict.

    Args:
        job_id: Id of the job.
        job_type: `prepare-retrieval`, the only type of jobs.

    Raises:
        InvalidArgumentError: Of this type there are no jobs.
        RekaError: As `reka.retrieval_job_status`.
    """
    if job_type != _PREPARE_RETRIEVAL:
        raise InvalidArgumentError(f"job_type: got {job_type!r}, want {_PREPARE_RETRIEVAL!r}")
    status = asdict(retrieval_job_status(job_id))
    return {**status, "job_status": str(status["job_status"])}
