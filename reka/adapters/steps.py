"""Operations as steps that a client takes, synchronously or not, so that each is written once."""

from collections.abc import Callable, Generator
from contextlib import aclosing, closing
from itertools import islice
from typing import Any, Final, TypeAlias, TypeVar

from reka._calls.driver import drive, drive_async
from reka.async_client import AsyncReka
from reka.client import Reka
from reka.errors import DatasetError, RetrievalError

T = TypeVar("T")

NOT_FOUND: Final = 404
"""The status of an error that says that a dataset does not exist."""

Step: TypeAlias = Callable[[Any], Any]
"""A call of a client; of an asynchronous one, it is awaited."""

Steps: TypeAlias = Generator[Step, Any, T]
"""Steps that are sent the value of each, or thrown its error, and return their result."""


def take(steps: Steps[T], client: Reka) -> T:
    """Take steps with a synchronous client, and return their result."""
    return drive(steps, lambda step: step(client))


async def atake(steps: Steps[T], client: AsyncReka) -> T:
    """Async twin of `take`."""
    return await drive_async(steps, lambda step: step(client))


def if_there(steps: Steps[T], default: T) -> Steps[T]:
    """Take steps on a dataset; if it does not exist, the result is the default."""
    try:
        return (yield from steps)
    except (DatasetError, RetrievalError) as error:
        if error.status_code != NOT_FOUND:
            raise
        return default


def collect(items: Any, most: int | None = None) -> Any:
    """Collect what a client lists, all of it or so many; of an asynchronous client, an awaitable of it."""
    if hasattr(items, "__aiter__"):
        return _acollect(items, most)
    with closing(items):
        return list(islice(items, most))


async def _acollect(items: Any, most: int | None) -> list[Any]:
    """Async twin of `collect`."""
    found: list[Any] = []
    async with aclosing(items):
        async for item in items:
            found.append(item)
            if len(found) == most:
                break
    return found
