"""Clients under test: their key, and the asynchronous client behind the synchronous one's methods."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import Any, Final, TypeAlias

import reka

KEY: Final = "secret-key-f3a9"

Connect: TypeAlias = Callable[..., reka.Reka]
"""Makes a client of either kind; see the fixture `connect`."""


class BlockingClient:
    """Has every method of an asynchronous client, and runs each call to its end on an event loop."""

    def __init__(self, client: reka.AsyncReka, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*arguments: Any, **options: Any) -> Any:
            result = method(*arguments, **options)
            if inspect.isawaitable(result):
                return self._loop.run_until_complete(_settle(result))
            if isinstance(result, AsyncGenerator):
                return self._iterate(result)
            return BlockingClient(result, self._loop) if isinstance(result, reka.AsyncReka) else result

        return call

    def _iterate(self, items: AsyncGenerator[Any, None]) -> Generator[Any, None, None]:
        try:
            while True:
                try:
                    yield self._loop.run_until_complete(_settle(anext(items)))
                except StopAsyncIteration:
                    return
        finally:
            self._loop.run_until_complete(items.aclose())

    def __enter__(self) -> "BlockingClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run_until_complete(self._client.close())

    def __repr__(self) -> str:
        return repr(self._client)


async def _settle(result: Any) -> Any:
    try:
        return await result
    finally:
        # The loop closes what the call has closed in its next rounds; in a program it would go on running.
        for _ in range(3):
            await asyncio.sleep(0)
