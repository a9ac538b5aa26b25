"""Whether to ask again, and when. Decisions are pure; tenacity only drives them, for both clients."""

import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from typing import Any, Final, NoReturn, TypeVar

from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_if_exception
from tenacity.retry import retry_base

from reka import config
from reka._calls.call import Call
from reka._inputs import validation
from reka.config import Timeout, as_timeout
from reka.errors import APIConnectionError, APIStatusError, InsufficientBalanceError, InvalidArgumentError, RekaError

T = TypeVar("T")

_LOG: Final = logging.getLogger("reka")


class NotConnectedError(APIConnectionError):
    """No connection came about, so nothing was sent."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a call may take, and how often it is sent again."""

    timeout: Timeout
    retry: "RetryPolicy"

    def changed(self, timeout: float | Timeout | None, max_retries: int | None = None) -> "Limits":
        """The same with another timeout or number of retries; None keeps what is."""
        return Limits(
            self.timeout if timeout is None else as_timeout(timeout),
            self.retry if max_retries is None else RetryPolicy(max_retries),
        )


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failed call is sent again, and after how many seconds."""

    max_retries: int = config.MAX_RETRIES

    def __post_init__(self) -> None:
        if validation.integer(self.max_retries, "max_retries", 0) is None:
            raise InvalidArgumentError("max_retries: got None, want a whole number of at least 0")

    def may_retry(self, error: BaseException, call: Call[Any]) -> bool:
        """Tell whether another try can help and does no harm."""
        if not isinstance(error, RekaError) or isinstance(error, InsufficientBalanceError):
            return False
        if isinstance(error, NotConnectedError):
            return True
        if not call.repeatable or (error.retry_after or 0) > config.LONGEST_RETRY_AFTER:
            return False  # told to wait too long: the caller, who can see `retry_after`, decides
        return isinstance(error, APIConnectionError) or (
            isinstance(error, APIStatusError) and error.status_code in config.RETRY_STATUSES
        )

    def wait(self, attempt: int, error: BaseException | None) -> float:
        """Seconds until the next try.

        Args:
            attempt: How many tries there were, from 1.
            error: What the last one ended in.
        """
        if isinstance(error, RekaError) and error.retry_after is not None:
            return error.retry_after
        ceiling = min(config.FIRST_WAIT * 2 ** (attempt - 1), config.LONGEST_WAIT)
        # Full jitter: clients that failed together come back apart.
        return random.uniform(0, ceiling)  # noqa: S311  # not for secrets

    def stop(self, attempt: int, elapsed: float, total: float, next_wait: float) -> bool:
        """Tell whether the last try was the last: by number, or because the next would come too late."""
        return attempt > self.max_retries or elapsed + next_wait >= total

    def sync(self, failed: RekaError, once: Callable[[], T], call: Call[Any], started: float, total: float) -> T:
        """Go on after a first try that failed, until it works or no other try can help.

        The first try is the caller's: tenacity's loop takes longer to set up than a call on loopback takes.

        Args:
            failed: What the first try ended in.
            once: One try.
            call: What is sent.
            started: When the call began, by `time.monotonic`.
            total: Seconds that it may last.
        """
        tries: Iterator[Callable[[], T]] = chain([partial(_fail, failed)], repeat(once))
        again = Retrying(
            retry=self._retry(call),
            wait=self._wait,
            stop=_Stop(self, started, total),
            before_sleep=_Log(call),
            reraise=True,
        )
        value: T = again(lambda: next(tries)())
        return value

    async def aio(
        self, failed: RekaError, once: Callable[[], Awaitable[T]], call: Call[Any], started: float, total: float
    ) -> T:
        """Async twin of `sync`."""
        tries: Iterator[Callable[[], Awaitable[T]]] = chain([partial(_fail_later, failed)], repeat(once))
        again = AsyncRetrying(
            retry=self._retry(call),
            wait=self._wait,
            stop=_Stop(self, started, total),
            before_sleep=_Log(call),
            reraise=True,
        )

        async def try_again() -> T:
            return await next(tries)()

        value: T = await again(try_again)
        return value

    def _retry(self, call: Call[Any]) -> retry_base:
        return retry_if_exception(lambda error: self.may_retry(error, call))

    def _wait(self, state: RetryCallState) -> float:
        return self.wait(state.attempt_number, _error(state))


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _fail(error: RekaError) -> NoReturn:
    raise error


async def _fail_later(error: RekaError) -> NoReturn:
    raise error


@dataclass(frozen=True, slots=True)
class _Stop:
    policy: RetryPolicy
    started: float
    total: float

    def __call__(self, state: RetryCallState) -> bool:
        elapsed = time.monotonic() - self.started
        return self.policy.stop(state.attempt_number, elapsed, self.total, state.upcoming_sleep)


@dataclass(frozen=True, slots=True)
class _Log:
    call: Call[Any]

    def __call__(self, state: RetryCallState) -> None:
        error = _error(state)
        _LOG.info(
            "%s %s: try %d failed (%s), again in %.2f s",
            self.call.method,
            self.call.path,
            state.attempt_number,
            getattr(error, "status_code", None) or type(error).__name__,
            state.upcoming_sleep,
        )
