"""Answers on their way to a client: whoever goes away is worked for no longer."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from reka.server.generation.types import AnswerStream, GenerationError

T = TypeVar("T")


async def cancel_on_disconnect(request: Request, work: Awaitable[T]) -> T:
    """Do some work for a request whose body has been read, and stop it if the client goes away meanwhile.

    It is done in the request's own task, and another one watches the client: a task for the work as well would put off
    its beginning and its end by a round of the event loop each.

    Raises:
        ClientDisconnect: The client has gone.
    """
    working = asyncio.current_task()
    has_gone = False

    async def stop_when_gone() -> None:
        nonlocal has_gone
        await _wait_for_disconnect(request)
        if working is not None:
            has_gone = True
            working.cancel()

    watching = asyncio.ensure_future(stop_when_gone())
    try:
        return await work
    except asyncio.CancelledError:
        if has_gone:
            raise ClientDisconnect from None
        raise
    finally:
        watching.cancel()
        if has_gone and working is not None and sys.version_info >= (3, 11):
            working.uncancel()


async def prefetch_first(pieces: AnswerStream) -> AnswerStream:
    """Wait for the first piece of an answer, so that what fails before it can still be told by a status.

    Raises:
        GenerationError: There is no answer.
    """
    try:
        first = await anext(pieces)
    except StopAsyncIteration as error:
        raise GenerationError(502, "the model's answer is empty") from error
    except BaseException:
        await pieces.aclose()
        raise

    async def all_pieces() -> AnswerStream:
        async with aclosing(pieces):
            yield first
            async for piece in pieces:
                yield piece

    return all_pieces()


class SseResponse(StreamingResponse):
    """Server-sent events. When the client goes away, whatever makes them is closed at once."""

    def __init__(self, events: AsyncIterator[bytes], pieces: AnswerStream) -> None:
        """Send `events`, which are made of `pieces`."""
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them, until the client goes away.

        The base class cancels through anyio, which leaves a task alone that has something to do: a fast stream would
        be read to its end for nobody.
        """
        with contextlib.suppress(ClientDisconnect):
            await cancel_on_disconnect(Request(scope, receive), self.stream_response(send))

    async def stream_response(self, send: Send) -> None:
        """Send the events, as they come.

        An answer that breaks off, in a generation that cannot say so, is not ended properly: the connection is closed,
        so that no client takes it for whole.
        """
        try:
            with contextlib.suppress(GenerationError):
                await super().stream_response(send)
        finally:
            await _closed(self.body_iterator)
            await _closed(self._pieces)


async def _closed(iterator: object) -> None:
    if isinstance(iterator, AsyncGenerator):
        await iterator.aclose()


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
