"""Errors of the server. The message of an error says what was received, what is expected, and how to fix it.

ServiceError                       an error response to a request
|-- RefusedError (400)
|   |-- InvalidUploadError
|   `-- QuotaExceededError
|-- WrongKeyError (401)
|-- NotFoundError (404)
|-- TooLargeError (413)
|-- TooManyRequestsError (429)
|-- StorageUnavailableError (503)
|-- EmbedderUnavailableError (503)
`-- StorageFullError (507)

StartError                         the server cannot start
`-- DataFolderInUseError
"""


class ServiceError(Exception):
    """Base class of the errors that become an error response. They never show a path of this machine, or a key."""

    status = 500
    """HTTP status of the response."""
    retry_after: float | None = None
    """Seconds after which the request may succeed; None if time alone does not help."""

    def __init__(self, detail: str, code: str | None = None) -> None:
        """Create an error with a message for the client and, for programs, a `code`."""
        super().__init__(detail)
        self.detail = detail
        self.code = code


class RefusedError(ServiceError):
    """The request is invalid, or not possible in the current state."""

    status = 400


class InvalidUploadError(RefusedError):
    """The uploaded file is not a valid dataset."""


class QuotaExceededError(RefusedError):
    """The owner of the API key has stored as much as the server keeps for one."""

    def __init__(self, detail: str) -> None:
        """Create an error with a message for the client."""
        super().__init__(detail, "quota_exceeded")


class WrongKeyError(ServiceError):
    """The request has no API key, or one that is not registered."""

    status = 401


class NotFoundError(ServiceError):
    """The owner of the API key has no such dataset or job, or the server no such model."""

    status = 404


class TooLargeError(ServiceError):
    """The request exceeds a size limit."""

    status = 413


class TooManyRequestsError(ServiceError):
    """The owner of the API key has sent as many requests as the server takes of one."""

    status = 429

    def __init__(self, detail: str, retry_after: float, limit: str) -> None:
        """Create an error.

        Args:
            detail: Message for the client.
            retry_after: Seconds after which to try again.
            limit: Name of the setting that limits requests.
        """
        super().__init__(detail, "rate_limit_exceeded")
        self.retry_after: float | None = retry_after
        self.limit: str = limit


class StorageUnavailableError(ServiceError):
    """The server cannot read or write its data now."""

    status = 503
    retry_after: float | None = 5.0


class EmbedderUnavailableError(ServiceError):
    """The embedder is on another machine, and does not answer."""

    status = 503
    retry_after: float | None = 5.0


class StorageFullError(ServiceError):
    """The server has no room on its disk."""

    status = 507

    def __init__(self) -> None:
        """Create the error."""
        super().__init__(
            "The server's disk is full, and nothing was stored: delete datasets that are not needed, or have its "
            "operator make room",
            "storage_full",
        )


class StartError(Exception):
    """The server cannot start."""


class DataFolderInUseError(StartError):
    """Another server uses the same data folder."""
