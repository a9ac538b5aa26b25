"""Response streaming; work is cancelled as soon as the client disconnects."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from reka.server.cancellation import Work
from reka.server.generation.types import AnswerStream, Finish, GenerationError, GenerationResult
from reka.server.telemetry.metrics import Metrics
from reka.server.telemetry.request_record import current_record

T = TypeVar("T")


async def cancel_on_disconnect(request: Request, work: Awaitable[T]) -> T:
    """Await `work` for a request whose body has been read; cancel it when the client disconnects, in threads too.

    Raises:
        ClientDisconnect: The client has disconnected.
    """
    in_threads = Work()
    task, watcher = asyncio.ensure_future(work), asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait({task, watcher}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        watcher.cancel()
        if not task.done():
            in_threads.cancel()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)  # until it has let go of what it holds


async def prefetch_first(answer: AnswerStream) -> AnswerStream:
    """Wait for the first item of a stream, so that earlier errors can still be sent as an HTTP status.

    Raises:
        GenerationError: Generation failed before the first item, or the stream is empty.
    """
    try:
        first = await anext(answer)
    except StopAsyncIteration as error:
        raise GenerationError(502, "the model's answer is empty") from error
    except BaseException:
        await answer.aclose()
        raise

    async def with_first() -> AnswerStream:
        item = first
        try:
            async with aclosing(answer):
                yield first
                async for item in answer:
                    yield item
        finally:
            if isinstance(item, Finish):
                note_usage(item)

    return with_first()


def note_usage(end: GenerationResult | Finish) -> None:
    """Note in the record of the request how many tokens its answer took."""
    if record := current_record():
        record.input_tokens, record.output_tokens = end.input_tokens, end.output_tokens


class SseResponse(StreamingResponse):
    """A stream of server-sent events; its source is closed as soon as the client disconnects."""

    def __init__(self, events: AsyncIterator[bytes], source: AnswerStream, metrics: Metrics) -> None:
        """Send `events`, which are produced from `source`; `metrics` counts them as an open stream."""
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._source = source
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until the client disconnects.

        The base class cancels through anyio, which does not interrupt a task that never blocks: a fast stream would
        be read to its end for nobody.
        """
        with contextlib.suppress(ClientDisconnect):
            await cancel_on_disconnect(Request(scope, receive), self.stream_response(send))

    async def stream_response(self, send: Send) -> None:
        """Send the events as they come.

        When generation fails and the protocol has no error event, the response is left unterminated and the connection
        closed, so that no client takes it for complete.
        """
        try:
            with contextlib.suppress(GenerationError), self._metrics.open_streams.track_inprogress():
                await super().stream_response(send)
        finally:
            await _close(self.body_iterator)
            await _close(self._source)


async def _close(iterator: object) -> None:
    if isinstance(iterator, AsyncGenerator):
        await iterator.aclose()


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
