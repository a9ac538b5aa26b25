"""Which calls of a client are sent again, and when."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import requests

from reka._calls.call import Call
from reka._protocol.retries import RETRY_STATUSES, RetryPolicy
from reka._record import record
from reka.config import Timeout, as_timeout
from reka.endpoint import Server
from reka.errors import APIConnectionError, APIStatusError, InsufficientBalanceError, RekaError

V = TypeVar("V")

_LOG: Final = logging.getLogger("reka")


class NotConnectedError(APIConnectionError):
    """No connection came about, so nothing was sent."""


class NoConnectionInTimeError(NotConnectedError, requests.ConnectTimeout):
    """No connection came about in time."""


@record
class Limits:
    """How long a call may take with all its fallbacks, and how often each of its requests is sent again."""

    timeout: Timeout
    retry: RetryPolicy

    def changed(self, timeout: float | Timeout | None, max_retries: int | None = None) -> "Limits":
        """Copy with another timeout or number of retries; None keeps the present one."""
        return Limits(
            self.timeout if timeout is None else as_timeout(timeout),
            self.retry if max_retries is None else RetryPolicy(max_retries),
        )


@record
class Attempts(Generic[V]):
    """The attempts to send one call."""

    once: Callable[[Call[Any], Server, Timeout, float], V]
    """Sends it once."""

    call: Call[Any]
    server: Server
    limits: Limits
    started: float
    """When the call's `total` began, by `time.monotonic`."""

    def send(self) -> V:
        """Make one attempt."""
        return self.once(self.call, self.server, self.limits.timeout, self.started)

    def next_wait(self, attempt: int, error: Exception) -> float | None:
        """Seconds until the next attempt; None if no time or retries are left, or the error is not retryable.

        Args:
            attempt: Number of attempts so far, from 1.
            error: What the last one ended in.
        """
        call = self.call
        if not isinstance(error, RekaError) or not may_retry(error, call):
            return None
        time_left = self.limits.timeout.total - (time.monotonic() - self.started)
        wait = self.limits.retry.next_wait(attempt, error.retry_after, time_left)
        if wait is not None:
            reason = error.status_code or type(error).__name__
            _LOG.info("%s %s: try %d failed (%s), again in %.2f s", call.method, call.path, attempt, reason, wait)
        return wait


def may_retry(error: RekaError, call: Call[Any]) -> bool:
    """Tell whether another try can help and does no harm."""
    if isinstance(error, NotConnectedError):
        return error.status_code is None  # else a proxy's, which refuses the next one too
    if not call.repeatable or isinstance(error, InsufficientBalanceError):
        return False
    return isinstance(error, APIConnectionError) or (
        isinstance(error, APIStatusError) and error.status_code in RETRY_STATUSES
    )
