"""An async client that is waited for, so that one test can speak to both clients."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import Any

import reka


class Waiting:
    """Has every method of its client; what those await, it runs to its end."""

    def __init__(self, client: reka.AsyncReka, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*arguments: Any, **options: Any) -> Any:
            result = method(*arguments, **options)
            if inspect.isawaitable(result):
                return self._loop.run_until_complete(_awaited(result))
            if isinstance(result, AsyncGenerator):
                return self._iterate(result)
            return Waiting(result, self._loop) if isinstance(result, reka.AsyncReka) else result

        return call

    def _iterate(self, items: AsyncGenerator[Any, None]) -> Generator[Any, None, None]:
        try:
            while True:
                try:
                    yield self._loop.run_until_complete(_awaited(anext(items)))
                except StopAsyncIteration:
                    return
        finally:
            self._loop.run_until_complete(items.aclose())

    def __enter__(self) -> "Waiting":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run_until_complete(self._client.close())

    def __repr__(self) -> str:
        return repr(self._client)


async def _awaited(result: Any) -> Any:
    try:
        return await result
    finally:
        # What the call has closed, the loop closes in its next rounds; in a program it would go on running.
        for _ in range(3):
            await asyncio.sleep(0)
