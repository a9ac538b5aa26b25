"""Concurrent calls on one event loop, with a bound on how many are in flight."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

Input = TypeVar("Input")
Output = TypeVar("Output")

BATCH_CONCURRENCY: Final = 64
"""Default number of concurrent calls of `batch`. It is our choice: LangChain's default depends on the CPU count."""


async def gather_bounded(
    call: Callable[[Input, RunnableConfig], Awaitable[Output]],
    inputs: Sequence[Input],
    configs: Sequence[RunnableConfig],
    *,
    return_exceptions: bool,
) -> list[Output]:
    """Call a coroutine function with every input, in as many worker tasks as calls may be in flight.

    LangChain creates one task per input; thousands of pending tasks slow down garbage collection.

    Args:
        call: The coroutine function. The first call that fails cancels all others.
        inputs: First argument of each call.
        configs: Second argument of each call. `max_concurrency` of the first one bounds the concurrency; without it
            all calls run at once.
        return_exceptions: Whether an error is returned as the result of its input and cancels nothing.

    Returns:
        The results, in the order of the inputs.
    """
    queue = iter(list(enumerate(zip(inputs, configs, strict=True))))
    results: list[Any] = [None] * len(inputs)

    async def worker() -> None:
        for index, (value, config) in queue:
            try:
                results[index] = await call(value, config)
            except Exception as error:
                if not return_exceptions:
                    raise
                results[index] = error

    limit = (configs[0].get("max_concurrency") if configs else None) or len(inputs)
    tasks = [asyncio.create_task(worker()) for _ in range(min(limit, len(inputs)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    return results


def with_default_concurrency(
    config: RunnableConfig | list[RunnableConfig] | None,
) -> RunnableConfig | list[RunnableConfig]:
    """Set `max_concurrency` to `BATCH_CONCURRENCY` in each config of a batch that does not set it."""
    return [_with_default(each) for each in config] if isinstance(config, Sequence) else _with_default(config)


def _with_default(config: RunnableConfig | None) -> RunnableConfig:
    config = ensure_config(config)
    return {**config, "max_concurrency": config.get("max_concurrency") or BATCH_CONCURRENCY}
