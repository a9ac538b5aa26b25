"""Concurrent calls on one event loop, with a bound on how many are in flight."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

import reka

Input = TypeVar("Input")
Output = TypeVar("Output")

BATCH_CONCURRENCY: Final = 64
"""Default number of concurrent calls of `batch`. It is our choice: LangChain's default depends on the CPU count."""


class _Batch:
    """The requests of a batch that are in flight, and the first error."""

    def __init__(self) -> None:
        self.requests: set[asyncio.Future[Any]] = set()
        self.error: BaseException | None = None
        self.is_over = False


_batch: ContextVar[_Batch | None] = ContextVar("_batch", default=None)


async def abortable(request: Coroutine[Any, Any, Output]) -> Output:
    """Await a request; if it belongs to a batch that fails meanwhile, it ends with an error.

    The error is an ordinary one, not a cancellation: LangChain reports only errors to the callbacks of a run, so a run
    that is cancelled would stay open.

    Raises:
        RekaError: The batch failed.
    """
    batch = _batch.get()
    if batch is None or batch.is_over:
        return await request
    task = asyncio.ensure_future(request)
    if batch.error is not None:
        task.cancel()
    batch.requests.add(task)
    try:
        return await task
    except asyncio.CancelledError:
        if batch.error is None:
            raise
        raise reka.RekaError("the call was given up, because the batch that it belongs to had ended") from None
    finally:
        batch.requests.discard(task)


async def gather_bounded(
    call: Callable[[Input, RunnableConfig], Awaitable[Output]],
    inputs: Sequence[Input],
    configs: Sequence[RunnableConfig],
    *,
    return_exceptions: bool,
    has_runs: bool,
) -> list[Output]:
    """Call a coroutine function with every input, in as many worker tasks as calls may be in flight.

    LangChain creates one task per input; thousands of pending tasks slow down garbage collection.

    Args:
        call: The coroutine function. The first call that fails ends all others.
        inputs: First argument of each call.
        configs: Second argument of each call. `max_concurrency` of the first one bounds the concurrency; without it
            all calls run at once.
        return_exceptions: Whether an error is returned as the result of its input and ends no other call.
        has_runs: Whether callbacks are told of the calls, so that each has to end with an error or a result. Then what
            is given up is the requests that `abortable` awaits, otherwise the calls.

    Returns:
        The results, in the order of the inputs.
    """
    queue = iter(list(enumerate(zip(inputs, configs, strict=True))))
    results: list[Any] = [None] * len(inputs)
    batch = _Batch()

    async def worker() -> None:
        if has_runs:
            _batch.set(batch)
        for index, (value, config) in queue:
            if batch.error is not None:
                return
            try:
                results[index] = await call(value, config)
            except Exception as error:
                if not return_exceptions:
                    batch.error = batch.error or error
                    raise
                results[index] = error

    limit = (configs[0].get("max_concurrency") if configs else None) or len(inputs)
    tasks = [asyncio.create_task(worker()) for _ in range(min(limit, len(inputs)))]
    try:
        await _first_error(tasks)
    except BaseException as error:
        batch.error = batch.error or error
        for request in list(batch.requests if has_runs else tasks):
            request.cancel()
        await _ends(tasks)
        raise
    finally:
        batch.is_over = True
    return results


async def _first_error(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for all tasks, or raise the error of the first that fails. Unlike `asyncio.gather`, it cancels none."""
    if tasks:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()


async def _ends(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for all tasks, and cancel those that are left if this wait is cancelled."""
    try:
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            if not task.done():
                task.cancel()
            elif not task.cancelled():
                task.exception()  # so that asyncio does not report it


def with_default_concurrency(
    config: RunnableConfig | list[RunnableConfig] | None,
) -> RunnableConfig | list[RunnableConfig]:
    """Set `max_concurrency` to `BATCH_CONCURRENCY` in each config of a batch that does not set it."""
    return [_with_default(each) for each in config] if isinstance(config, Sequence) else _with_default(config)


def _with_default(config: RunnableConfig | None) -> RunnableConfig:
    config = ensure_config(config)
    return {**config, "max_concurrency": config.get("max_concurrency") or BATCH_CONCURRENCY}
