"""Operations as steps that a client takes, synchronously or not, so that each is written once."""

from collections.abc import Callable, Generator
from contextlib import aclosing, closing
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from reka.async_client import AsyncReka
from reka.client import Reka
from reka.errors import RekaError

T = TypeVar("T")

Step: TypeAlias = Callable[[Any], Any]
"""A call of a client; of an asynchronous one, it is awaited."""

Steps: TypeAlias = Generator[Step, Any, T]
"""Steps that are sent the value of each, or thrown its error, and return their result."""


def take(steps: Steps[T], client: Reka) -> T:
    """Take steps with a synchronous client, and return their result."""
    try:
        step = next(steps)
        while True:
            try:
                value = step(client)
            except RekaError as error:
                step = steps.throw(error)
            else:
                step = steps.send(value)
    except StopIteration as end:
        result: T = end.value
        return result


async def atake(steps: Steps[T], client: AsyncReka) -> T:
    """Async twin of `take`."""
    try:
        step = next(steps)
        while True:
            try:
                value = await step(client)
            except RekaError as error:
                step = steps.throw(error)
            else:
                step = steps.send(value)
    except StopIteration as end:
        result: T = end.value
        return result


def listed(items: Any, most: int | None = None) -> Any:
    """Collect what a client lists, all of it or so many; of an asynchronous client, an awaitable of it."""
    if hasattr(items, "__aiter__"):
        return _collected(items, most)
    with closing(items):
        return list(islice(items, most))


async def _collected(items: Any, most: int | None) -> list[Any]:
    found: list[Any] = []
    async with aclosing(items):
        async for item in items:
            found.append(item)
            if len(found) == most:
                break
    return found
