"""The errors of HTTP: also errors of requests, which this module imports."""

from collections.abc import Mapping
from http.client import responses
from io import BytesIO
from typing import Any, NamedTuple

import requests
from requests.structures import CaseInsensitiveDict

from reka.errors import RekaError


class Received(NamedTuple):
    """What the server answered: plain values, which can be compared and pickled."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    """Decoded from its content encoding."""

    request_line: str
    """Method and URL, such as `GET https://api.reka.ai/models`."""


class StatusError(requests.HTTPError):
    """An error of a status, as requests raises it."""

    received: Received | None = None
    """What the server answered; None if this error was not raised for an answer."""

    @property
    def request(self) -> requests.PreparedRequest | None:
        """Method and URL of the request; it has no headers, and so no key."""
        if self.received is None:
            return None
        request = requests.PreparedRequest()
        request.method, _, request.url = self.received.request_line.partition(" ")
        request.headers = CaseInsensitiveDict()
        return request

    @request.setter
    def request(self, _request: object) -> None:
        # requests sets it in the constructor.
        pass

    @property
    def response(self) -> requests.Response | None:
        """The server's answer."""
        request = self.request
        if self.received is None or request is None:
            return None
        response = requests.Response()
        response.status_code = self.received.status
        response.headers = CaseInsensitiveDict(self.received.headers)
        response.raw = BytesIO(self.received.body)
        response.url = request.url or ""
        response.encoding = "utf-8"
        response.reason = responses.get(self.received.status, "")
        response.request = request
        return response

    @response.setter
    def response(self, _response: object) -> None:
        pass


class APIConnectionError(RekaError, requests.ConnectionError):
    """No response: the connection failed or broke."""


class APITimeoutError(APIConnectionError, requests.Timeout, TimeoutError):
    """No response within the timeout."""


class APIStatusError(RekaError, StatusError):
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
        self.args: tuple[Any, ...] = (message, status_code, request_id, retry_after, code, body)
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
        self.args: tuple[Any, ...] = (
            message,
            status_code,
            request_id,
            retry_after,
            code,
            body,
            limit,
            remaining,
            reset,
        )
        self.limit = limit
        self.remaining = remaining
        self.reset = reset


class InsufficientBalanceError(APIStatusError):
    """The account has no balance (429 with code P001); retrying does not help."""


class ServerError(APIStatusError):
    """The server failed (5xx)."""
