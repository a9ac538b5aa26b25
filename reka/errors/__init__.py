"""Everything that can go wrong between a call and its answer.

    RekaError                           message, status_code, request_id, retry_after, code
    ├── AuthError (ValueError)          there is no key, or the server does not take it (401)
    ├── InvalidConversationError (ValueError)   the conversation is not one
    ├── InvalidArgumentError (ValueError)       any other argument is not what it must be
    ├── UnsupportedRequestError         the request asks for what this server, or this client, cannot do
    ├── DatasetError                    the server refused a dataset, or has none of that name
    ├── RetrievalError                  a dataset cannot be prepared or searched, or its job failed
    │   └── WaitTimeoutError (TimeoutError)     a job was still going when the wait ended
    ├── APIConnectionError              no answer came
    │   └── APITimeoutError (TimeoutError)      none came in time
    ├── APIStatusError                  an answer came, and it is an error: body
    │   ├── PermissionDeniedError       403
    │   ├── NotFoundError               404
    │   ├── InvalidRequestError         any other 4xx
    │   ├── RateLimitError              429: limit, remaining, reset
    │   ├── InsufficientBalanceError    429 with code P001: no retry mends it
    │   └── ServerError                 5xx
    ├── UnexpectedResponseError         an answer came, and it cannot be read
    └── StreamInterruptedError          a streamed answer ended before it was whole: partial_text

No message and no attribute ever holds the key.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reka.types import PrepareRetrievalStatusResponse


class RekaError(Exception):
    """Whatever went wrong between a call and its answer. Base of all errors of this package.

    Args:
        message: What happened, and the way out where there is one.
        status_code: HTTP status of the answer; None if none came.
        request_id: What the server calls the request (`x-request-id`); None if it did not say.
        retry_after: Seconds the server asks to wait; None if it did not say.
        code: The server's own code for the error, such as P001; None if it gave none.
    """

    def __init__(
        self,
        message: str = "",
        status_code: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        code: str | None = None,
    ) -> None:
        # All of it positional and in `args`: then pickling (process pools, task queues) needs no code of ours.
        super().__init__(message, status_code, request_id, retry_after, code)
        self.message = message
        self.status_code = status_code
        self.request_id = request_id
        self.retry_after = retry_after
        self.code = code

    def __str__(self) -> str:
        """Say what happened: the status if there was one, the message, the request's id."""
        status = f"{self.status_code}: " if self.status_code else ""
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{status}{self.message}{request}"


class AuthError(RekaError, ValueError):
    """There is no key, or the server does not take it."""


class InvalidConversationError(RekaError, ValueError):
    """The conversation is empty, does not alternate, or has a turn that is not one."""


class InvalidArgumentError(RekaError, ValueError):
    """An argument is not what it must be. Nothing was sent."""


class UnsupportedRequestError(RekaError):
    """The request asks for what this server cannot do."""


class DatasetError(RekaError):
    """A dataset was refused by the server, or there is none of that name."""


class RetrievalError(RekaError):
    """A dataset cannot be prepared or searched, or the job that prepares it failed."""


class StreamInterruptedError(RekaError):
    """A streamed answer ended before it was whole.

    Args:
        message: What happened.
        status_code: None: the answer's status was a success.
        request_id: What the server calls the request.
        retry_after: None.
        partial_text: The text that had come, in whole.
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
    """A job was still going when the wait for it ended. The job goes on.

    Args:
        message: What was waited for.
        last_status: The last status seen; None if there was none.
    """

    def __init__(self, message: str, last_status: "PrepareRetrievalStatusResponse | None" = None) -> None:
        super().__init__(message)
        self.args = (message, last_status)
        self.last_status = last_status


class APIConnectionError(RekaError):
    """No answer came: no connection, or it broke."""


class APITimeoutError(APIConnectionError, TimeoutError):
    """No answer came in time."""


class APIStatusError(RekaError):
    """The server answered with an error status that no other class stands for.

    Args:
        message: What the server said.
        status_code: HTTP status.
        request_id: What the server calls the request.
        retry_after: Seconds the server asks to wait.
        code: The server's own code for the error, such as P001; None if it gave none.
        body: The answer's body, as text.
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
    """The key is known, and may not do this (403)."""


class NotFoundError(APIStatusError):
    """There is nothing at this address (404)."""


class InvalidRequestError(APIStatusError):
    """The server calls the request wrong (400, 422 and other 4xx)."""


class RateLimitError(APIStatusError):
    """Too many requests (429).

    Args:
        message: What the server said.
        status_code: 429.
        request_id: What the server calls the request.
        retry_after: Seconds the server asks to wait.
        code: The server's own code for the error; None if it gave none.
        body: The answer's body, as text.
        limit: Requests that are allowed in the server's period; None if it did not say (`x-ratelimit-limit`).
        remaining: How many of them are left (`x-ratelimit-remaining`).
        reset: When the period ends, in seconds since the epoch (`x-ratelimit-reset`).
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
    """The account has no balance left (429 with code P001); a retry cannot mend it."""


class ServerError(APIStatusError):
    """The server failed (5xx)."""


class UnexpectedResponseError(RekaError):
    """An answer came that cannot be read: not JSON, cut off, or of another shape than documented."""
