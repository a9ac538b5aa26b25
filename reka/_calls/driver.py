"""Drivers of flows: each performs the steps that a flow yields, and sends it the value or the error of each."""

from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeAlias, TypeVar

from reka._calls.call import Call
from reka._calls.flow import Brief, Local, Sleep
from reka.errors import RekaError

T = TypeVar("T")
S = TypeVar("S")

Step: TypeAlias = Call[Any] | Sleep | Local | Brief


def drive(flow: Generator[S, Any, T], perform: Callable[[S], object]) -> T:
    """Run a flow to its end.

    Args:
        flow: A flow that has not been started.
        perform: Performs a step and returns its value: sends a call, or sleeps.

    Returns:
        What the flow returns.

    Raises:
        RekaError: An error of a step that the flow does not handle, or one of the flow's own.
    """
    try:
        step = next(flow)
        while True:
            try:
                value = perform(step)
            except RekaError as error:
                step = flow.throw(error)
            else:
                step = flow.send(value)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()  # now, not when an error's traceback is freed: others may wait for what the flow holds


async def drive_async(flow: Generator[S, Any, T], perform: Callable[[S], Awaitable[object]]) -> T:
    """Async twin of `drive`."""
    try:
        step = next(flow)
        while True:
            try:
                value = await perform(step)
            except RekaError as error:
                step = flow.throw(error)
            else:
                step = flow.send(value)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()  # now, not when an error's traceback is freed: others may wait for what the flow holds
