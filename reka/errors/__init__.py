"""The error tree of the client.

    RekaError                           message, status_code, request_id, retry_after, code
    ├── AuthError (ValueError)          the key is missing or rejected (401)
    ├── InvalidConversationError (ValueError)   the conversation is invalid
    ├── InvalidArgumentError (ValueError)       another argument is invalid
    ├── UnsupportedRequestError         no endpoint supports the request
    ├── DatasetError                    a dataset was refused or does not exist
    ├── RetrievalError                  a dataset cannot be prepared or searched, or its job failed
    │   └── WaitTimeoutError (TimeoutError)     the job was unfinished when the wait ended
    ├── APIConnectionError              no response
    │   └── APITimeoutError (TimeoutError)      no response in time
    ├── APIStatusError                  an error status: body
    │   ├── PermissionDeniedError       403
    │   ├── NotFoundError               404
    │   ├── InvalidRequestError         any other 4xx
    │   ├── RateLimitError              429: limit, remaining, reset
    │   ├── InsufficientBalanceError    429 with code P001: retrying does not help
    │   └── ServerError                 5xx
    ├── UnexpectedResponseError (ValueError)    the response cannot be read
    └── StreamInterruptedError          a stream ended early: partial_text

Programs that handle the errors of requests handle these too: every error of a status is a `requests.HTTPError` with
`response` and `request`, `APIConnectionError` a `requests.ConnectionError`, `APITimeoutError` a `requests.Timeout`. An
`InvalidArgumentError` for a file that cannot be opened is also the `OSError` for that, such as `FileNotFoundError`.

No message and no attribute holds the key.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reka.errors.api_error import ApiError as ApiError
    from reka.errors.api_error import UnprocessableEntityError as UnprocessableEntityError
    from reka.errors.http import (
        APIConnectionError,
        APIStatusError,
        APITimeoutError,
        InsufficientBalanceError,
        InvalidRequestError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitError,
        ServerError,
    )
    from reka.types import PrepareRetrievalStatusResponse

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AuthError",
    "DatasetError",
    "InsufficientBalanceError",
    "InvalidArgumentError",
    "InvalidConversationError",
    "InvalidRequestError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "RekaError",
    "RetrievalError",
    "ServerError",
    "StreamInterruptedError",
    "UnexpectedResponseError",
    "UnsupportedRequestError",
    "WaitTimeoutError",
]


class RekaError(Exception):
    """Base of all errors of this package.

    Args:
        message: What went wrong and, where known, the fix.
        status_code: HTTP status; None if there was no response.
        request_id: The server's id of the request (`x-request-id`); None if it sent none.
        retry_after: Seconds to wait before a retry, as the server asked; None if it did not.
        code: The server's error code, such as P001; None if it sent none.
        reason: What went wrong in the words of `reka-api` 2, where they differ; None is `message`.
        underlying: The error that caused this one, as in `reka-api` 2; None is this error itself if it is one of
            requests.
    """

    partial_text: str = ""
    """All text that a stream gave before it ended with this error; empty elsewhere."""

    def __init__(
        self,
        message: str = "",
        status_code: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        code: str | None = None,
        *,
        reason: str | None = None,
        underlying: Exception | None = None,
    ) -> None:
        message = message or reason or ""
        super().__init__(message)
        # Positional and in `args`, so that pickling (process pools, task queues) works as it is; set here, since an
        # `OSError` takes more than one argument for its errno.
        self.args: tuple[Any, ...] = (message, status_code, request_id, retry_after, code)
        self._reason = reason
        self._underlying = underlying
        self.message = message
        self.status_code = status_code
        self.request_id = request_id
        self.retry_after = retry_after
        self.code = code

    def __str__(self) -> str:
        """Status, if any, message and request id."""
        status = f"{self.status_code}: " if self.status_code else ""
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{status}{self.message}{request}"

    @property
    def reason(self) -> str:
        """What went wrong, in the words of `reka-api` 2 where it has some, else `message`."""
        return self._reason or self.message

    @property
    def underlying(self) -> Exception | None:
        """The HTTP error, with its `response`, as in `reka-api` 2: this error itself; None if there was no HTTP."""
        return self._underlying or (self if hasattr(self, "response") else None)


class AuthError(RekaError, ValueError):
    """The API key is missing, or the server rejects it."""


class InvalidConversationError(RekaError, ValueError):
    """The conversation is empty, does not alternate, or has an invalid turn. Nothing was sent."""


class InvalidArgumentError(RekaError, ValueError):
    """An argument is invalid. Nothing was sent."""


class UnsupportedRequestError(RekaError):
    """The server supports no endpoint that can serve the request."""


class DatasetError(RekaError):
    """The server refused a dataset, or has none of that name."""


class RetrievalError(RekaError):
    """A dataset cannot be prepared or searched, or its prepare-retrieval job failed."""


class StreamInterruptedError(RekaError):
    """A streamed answer ended before it was complete.

    Args:
        message: What went wrong.
        status_code: None: the stream began with a success status.
        request_id: The server's id of the request.
        retry_after: None.
        partial_text: All text received before the stream ended.
    """

    def __init__(
        self,
        message: str = "",
        status_code: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        partial_text: str = "",
    ) -> None:
        super().__init__(message, status_code, request_id, retry_after)
        self.args: tuple[Any, ...] = (message, status_code, request_id, retry_after, partial_text)
        self.partial_text = partial_text


class WaitTimeoutError(RetrievalError, TimeoutError):
    """A job was unfinished when the wait for it timed out. The job continues on the server.

    Args:
        message: The job and the time waited.
        last_status: Last status received; None if there was none.
    """

    def __init__(self, message: str, last_status: "PrepareRetrievalStatusResponse | None" = None) -> None:
        super().__init__(message)
        self.args: tuple[Any, ...] = (message, last_status)
        self.last_status = last_status


class UnexpectedResponseError(RekaError, ValueError):
    """The response cannot be read: not JSON, truncated, or of another shape than documented."""


_MODULES = {"ApiError": "api_error", "UnprocessableEntityError": "api_error"}

if not TYPE_CHECKING:  # so that a type checker still finds misspelt names

    def __getattr__(name: str) -> object:
        # The errors of HTTP are errors of requests, which takes three times as long to import as this package.
        if name not in __all__ and name not in _MODULES:
            raise AttributeError(f"module 'reka.errors' has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"reka.errors.{_MODULES.get(name, 'http')}"), name)
