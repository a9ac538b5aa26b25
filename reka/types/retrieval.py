"""What retrieval gives: chunks of text, and the state of the job that makes a dataset searchable."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias, TypedDict


class _RetrievedChunk(TypedDict):
    text: str


class RetrievedChunk(_RetrievedChunk, total=False):
    """A piece of a dataset's text that fits a question. Fields that the server adds are kept.

    The documented API does not give its shape, so whatever a server calls text, score and source is brought to these
    names; what it does not send is not there.
    """

    source: str
    """Name of the file it is from."""

    score: float
    """How well it fits; our server's lies between 0 and 1 and never rises with rank."""

    similarity: float
    """Cosine of the angle between the question's and the chunk's embedding, -1 to 1: what to set thresholds on."""


class JobStatus(str, Enum):
    """State of a job. One that a server invents later is a member too, equal to none of these."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    ERROR = "ERROR"
    COMPLETE = "COMPLETE"

    def __str__(self) -> str:
        """Give the status as the server writes it, on every Python the same."""
        return self.value

    @classmethod
    def _missing_(cls, value: object) -> "JobStatus | None":
        # A poller must not fail on a state it does not know: it waits on.
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_ = unknown._value_ = value
        return unknown


@dataclass(frozen=True, slots=True)
class PrepareRetrievalStatusResponse:
    """Status of a prepare-retrieval job.

    Attributes:
        job_status: The current status.
        detail: Further details; empty if there are none.
        history: What happened so far, oldest first. Our server's entries have `time` (ISO 8601, UTC), `job_status`,
            `detail` and, while it runs, `progress` (0 to 1).
    """

    job_status: JobStatus
    detail: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        object.__setattr__(self, "job_status", JobStatus(self.job_status))

    def is_complete(self) -> bool:
        """Whether the job has completed successfully."""
        return self.job_status == JobStatus.COMPLETE

    def is_done(self) -> bool:
        """Whether the job has ended, either successfully or with an error."""
        return self.is_complete() or self.is_error()

    def is_error(self) -> bool:
        """Whether the job has ended with an error."""
        return self.job_status == JobStatus.ERROR

    def is_running(self) -> bool:
        """Whether the job is at work now."""
        return self.job_status == JobStatus.RUNNING


OnUpdate: TypeAlias = Callable[[PrepareRetrievalStatusResponse], object]
"""Called with each status that differs from the one before."""
