"""Many calls at a time, on one event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

Input = TypeVar("Input")
Output = TypeVar("Output")

BATCH_CONCURRENCY: Final = 64
"""Calls of a `batch` that are under way at a time, if its config does not say (ours)."""


async def gather_bounded(
    ask: Callable[[Input, RunnableConfig], Awaitable[Output]],
    inputs: Sequence[Input],
    configs: Sequence[RunnableConfig],
    *,
    return_exceptions: bool,
) -> list[Output]:
    """Ask with every input, in as many tasks as calls may be under way; each takes one input after the other.

    LangChain makes a task for each input, and the garbage collector goes through all that wait, again and again.

    Args:
        ask: The call. The first that fails ends all others.
        inputs: What to call it with.
        configs: A config for each. The first one's `max_concurrency` counts; without it all are under way at a time.
        return_exceptions: Whether an error is the answer to its input, and ends nothing.

    Returns:
        The answers, in the order of the inputs.
    """
    waiting = iter(list(enumerate(zip(inputs, configs, strict=True))))
    found: list[Any] = [None] * len(inputs)

    async def work() -> None:
        for place, (asked, config) in waiting:
            try:
                found[place] = await ask(asked, config)
            except Exception as error:
                if not return_exceptions:
                    raise
                found[place] = error

    most = (configs[0].get("max_concurrency") if configs else None) or len(inputs)
    tasks = [asyncio.create_task(work()) for _ in range(min(most, len(inputs)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    return found


def with_default_concurrency(
    config: RunnableConfig | list[RunnableConfig] | None,
) -> RunnableConfig | list[RunnableConfig]:
    """A batch's config, or configs, that say how many calls may be under way at a time."""
    return [_bounded(each) for each in config] if isinstance(config, Sequence) else _bounded(config)


def _bounded(config: RunnableConfig | None) -> RunnableConfig:
    config = ensure_config(config)
    return {**config, "max_concurrency": config.get("max_concurrency") or BATCH_CONCURRENCY}
