"""Flows: operations of several calls as I/O-free generators.

A flow yields a `Call`, or one in a `Local` or a `Brief`, and is sent its value (or thrown its error), or yields a
`Sleep`.
"""

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

from reka._calls.call import Call
from reka._record import record
from reka.errors import RekaError

T = TypeVar("T")


@record
class Sleep:
    """Continue after so many seconds."""

    seconds: float


@record
class Local:
    """Send a call to an embedded server, wherever the others of the flow go."""

    call: Call[Any]
    address: str
    """`local` or `local:PATH`."""


@record
class Brief:
    """Send a call once, and give it up soon: its answer helps, but nothing fails without it."""

    call: Call[Any]
    seconds: float
    """Limit on all of the call."""


Flow: TypeAlias = Generator[Call[Any] | Sleep | Local | Brief, Any, T]


def at_most(calls: int, flow: Flow[T]) -> Flow[T]:
    """Run a flow of fallbacks; beyond `calls` calls the last error is raised instead of a further call."""
    made, last_error = 0, None
    try:
        step = next(flow)
        while True:
            made += isinstance(step, Call)
            if made > calls and last_error is not None:
                flow.close()
                raise last_error
            try:
                value = yield step
            except RekaError as error:
                last_error = error
                step = flow.throw(error)
            else:
                step = flow.send(value)
    except StopIteration as end:
        result: T = end.value
        return result
