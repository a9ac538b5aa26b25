"""Waits end at their deadline and not before, and a cancellation from elsewhere goes first."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import TypeVar

import pytest

from reka._transport.wait_limits import WaitTimer

T = TypeVar("T")
FOREVER = 600.0


def run(main: Coroutine[object, object, T]) -> T:
    """Run a coroutine that must end by itself."""
    return asyncio.run(asyncio.wait_for(main, 10))


def test_a_wait_beyond_its_limit_ends_in_a_timeout() -> None:
    async def main() -> None:
        with WaitTimer().limit(0.01):
            await asyncio.Event().wait()

    with pytest.raises(asyncio.TimeoutError):
        run(main())


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_wait_without_time_left_ends_at_once(seconds: float) -> None:
    async def main() -> None:
        with WaitTimer().limit(seconds):
            await asyncio.Event().wait()

    with pytest.raises(asyncio.TimeoutError):
        run(main())


def test_a_wait_that_ends_in_time_leaves_its_task_alone() -> None:
    async def main() -> str:
        timer = WaitTimer()
        with timer.limit(0.01):
            await asyncio.sleep(0)
        with timer.limit(FOREVER):
            await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0.03))])  # past the first deadline
        return "done"

    assert run(main()) == "done"


def test_the_earliest_of_several_waits_ends_first_whatever_their_order() -> None:
    async def main() -> list[str]:
        timer, ended = WaitTimer(), []

        async def wait(name: str, seconds: float) -> None:
            with pytest.raises(asyncio.TimeoutError), timer.limit(seconds):
                await asyncio.Event().wait()
            ended.append(name)

        await asyncio.gather(wait("late", 0.06), wait("early", 0.02), wait("middle", 0.04))
        return ended

    assert run(main()) == ["early", "middle", "late"]


def test_the_error_of_a_wait_is_raised_as_it_is() -> None:
    async def main() -> None:
        with WaitTimer().limit(FOREVER):
            raise LookupError("from inside")

    with pytest.raises(LookupError, match="from inside"):
        run(main())


def test_a_cancelled_task_stays_cancelled() -> None:
    async def main() -> None:
        async def wait() -> None:
            with WaitTimer().limit(FOREVER):
                await asyncio.Event().wait()

        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        run(main())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="before, a task does not count who cancels it")
def test_a_task_cancelled_at_its_deadline_stays_cancelled() -> None:
    async def main() -> None:
        async def wait() -> None:
            limit = WaitTimer().limit(FOREVER)
            with limit:
                asyncio.get_running_loop().call_soon(limit.expire)
                await asyncio.Event().wait()

        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        run(main())


def test_a_task_can_go_on_after_its_timeout() -> None:
    async def main() -> int:
        with pytest.raises(asyncio.TimeoutError), WaitTimer().limit(0.01):
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        current = asyncio.current_task()
        assert current is not None
        return getattr(current, "cancelling", int)()

    assert run(main()) == 0
