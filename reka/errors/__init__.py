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
    ├── UnexpectedResponseError         the response cannot be read
    └── StreamInterruptedError          a stream ended early: partial_text

No message and no attribute holds the key.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reka.types import PrepareRetrievalStatusResponse


class RekaError(Exception):
    """Base of all errors of this package.

    Args:
        message: What went wrong and, where known, the fix.
        status_code: HTTP status; None if there was no response.
        request_id: The server's id of the request (`x-request-id`); None if it sent none.
        retry_after: Seconds to wait before a retry, as the server asked; None if it did not.
        code: The server's error code, such as P001; None if it sent none.
    """

    def __init__(
        self,
        message: str = "",
        status_code: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        code: str | None = None,
    ) -> None:
        # Positional and in `args`, so that pickling (process pools, task queues) works as it is.
        super().__init__(message, status_code, request_id, retry_after, code)
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
        self.args = (message, status_code, request_id, retry_after, partial_text)
        self.partial_text = partial_text


class WaitTimeoutError(RetrievalError, TimeoutError):
    """A job was unfinished when the wait for it timed out. The job continues on the server.

    Args:
        message: The job and the time waited.
        last_status: Last status received; None if there was none.
    """

    def __init__(self, message: str, last_status: "PrepareRetrievalStatusResponse | None" = None) -> None:
        super().__init__(message)
        self.args = (message, last_status)
        self.last_status = last_status


class APIConnectionError(RekaError):
    """No response: the connection failed or broke."""


class APITimeoutError(APIConnectionError, TimeoutError):
    """No response within the timeout."""


class APIStatusError(RekaError):
    """The server responded with an error status.

    Args:
        message: The server's message.
        status_code: HTTP status.
        request_id: The server's id of the request.
        retry_after: Seconds to wait, as the server asked.
        code: The server's error code, such as P001; None if it sent none.
        body: Response body, as text.
    """

    def __init__(
        self,
        message: str = "",
        status_code: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        code: str | None = None,
        body: str = "",
    ) -> None:
        super().__init__(message, status_code, request_id, retry_after, code)
        self.args = (message, status_code, request_id, retry_after, code, body)
        self.body = body


class PermissionDeniedError(APIStatusError):
    """The key lacks permission (403)."""


class NotFoundError(APIStatusError):
    """The resource or endpoint does not exist (404)."""


class InvalidRequestError(APIStatusError):
    """The server rejects the request as invalid (400, 422 and other 4xx)."""


class RateLimitError(APIStatusError):
    """Too many requests (429).

    Args:
        message: The server's message.
        status_code: 429.
        request_id: The server's id of the request.
        retry_after: Seconds to wait, as the server asked.
        code: The server's error code; None if it sent none.
        body: Response body, as text.
        limit: Requests allowed per period (`x-ratelimit-limit`); None if the server sent none.
        remaining: Requests left in the period (`x-ratelimit-remaining`).
        reset: End of the period, in seconds since the epoch (`x-ratelimit-reset`).
    """

    def __init__(
        self,
        message: str = "",
        status_code: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        code: str | None = None,
        body: str = "",
        limit: int | None = None,
        remaining: int | None = None,
        reset: float | None = None,
    ) -> None:
        super().__init__(message, status_code, request_id, retry_after, code, body)
        self.args = (message, status_code, request_id, retry_after, code, body, limit, remaining, reset)
        self.limit = limit
        self.remaining = remaining
        self.reset = reset


class InsufficientBalanceError(APIStatusError):
    """The account has no balance (429 with code P001); retrying does not help."""


class ServerError(APIStatusError):
    """The server failed (5xx)."""


class UnexpectedResponseError(RekaError):
    """The response cannot be read: not JSON, truncated, or of another shape than documented."""
