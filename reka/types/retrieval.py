"""Results of retrieval: chunks of text, and the status of prepare-retrieval jobs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias, TypedDict


class _RetrievedChunk(TypedDict):
    text: str


class RetrievedChunk(_RetrievedChunk, total=False):
    """A chunk of a dataset's text that fits a query.

    The documented API does not define its shape, so the server's fields are kept as they are, and text and source stand
    under these names too; what the server does not send is absent.
    """

    id: str
    """Id of the chunk; the same text of a document has the same id. Of our server, as are the three below."""

    document_id: str
    """Id of the document that it is from."""

    metadata: dict[str, Any]
    """The document's metadata."""

    document_bytes: int
    """Size of the document's text in UTF-8; that of the chunk's text if the chunk is all of it."""

    source: str
    """Name of the source file, or what the document says that its text is from."""

    score: float
    """Relevance; on our server from 0 to 1, never rising with rank."""

    similarity: float
    """Cosine similarity of the query's and the chunk's embeddings, -1 to 1; absent if keywords alone were compared."""

    context: str
    """What the text is read under: the path of its headings (`Guide > Setup`), or the names of its columns."""


class JobStatus(str, Enum):
    """Status of a job. Unknown values sent by a newer server become pseudo-members equal to none of these."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    ERROR = "ERROR"
    COMPLETE = "COMPLETE"

    def __str__(self) -> str:
        """Return the server's value, on every Python version."""
        return self.value

    @classmethod
    def _missing_(cls, value: object) -> "JobStatus | None":
        # A poller must keep waiting on a status it does not know.
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_ = unknown._value_ = value
        return unknown


@dataclass(frozen=True)
class PrepareRetrievalStatusResponse:
    """Status of a prepare-retrieval job.

    Attributes:
        job_status: The current status.
        detail: Further details; may be empty.
        history: Past states, oldest first. Our server's entries have `time` (ISO 8601, UTC), `job_status`,
            `detail` and, while it runs, `progress` (0 to 1).
    """

    job_status: JobStatus
    detail: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        object.__setattr__(self, "job_status", JobStatus(self.job_status))

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "PrepareRetrievalStatusResponse":
        """Read the body of a status response; unknown fields are left out.

        Raises:
            TypeError: It has no job status.
        """
        if not isinstance(fields.get("job_status"), str):
            raise TypeError(f"fields: got {dict(fields)!r}, want a dict with a job_status")
        return cls(JobStatus(fields["job_status"]), fields.get("detail") or "", fields.get("history") or [])

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
        """Whether the job is running."""
        return self.job_status == JobStatus.RUNNING


OnUpdate: TypeAlias = Callable[[PrepareRetrievalStatusResponse], object]
"""Called with each status that differs from the one before."""
