"""Steps of flows, performed: a call is sent, a sleep is slept."""

import asyncio
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from reka import endpoint
from reka._calls.call import StreamCall
from reka._calls.driver import Step
from reka._calls.flow import Local, Sleep
from reka._transport.retry import Limits
from reka.endpoint import Server

if TYPE_CHECKING:  # each client loads the HTTP library of its own transport alone
    from reka._transport.aio import AsyncTransport
    from reka._transport.sync import SyncTransport


def perform(transport: "SyncTransport", server: Server, limits: Limits, step: Step) -> object:
    """Perform a step.

    Args:
        transport: Sends calls.
        server: Where the flow's calls go, but for those that name an embedded server.
        limits: Limits of each call.
        step: The step.

    Returns:
        The value of a call, an open stream, or None.

    Raises:
        RekaError: The call failed.
    """
    if isinstance(step, Sleep):
        time.sleep(step.seconds)
        return None
    if isinstance(step, StreamCall):
        return transport.stream(step, server, limits)
    if isinstance(step, Local):
        return transport.send(step.call, endpoint.dataset_server(step.address), limits)
    return transport.send(step, server, limits)


def perform_async(transport: "AsyncTransport", server: Server, limits: Limits, step: Step) -> Awaitable[object]:
    """Async twin of `perform`."""
    if isinstance(step, Sleep):
        return asyncio.sleep(step.seconds)
    if isinstance(step, StreamCall):
        return transport.stream(step, server, limits)
    if isinstance(step, Local):
        return _send_locally(transport, limits, step)
    return transport.send(step, server, limits)


async def _send_locally(transport: "AsyncTransport", limits: Limits, step: Local) -> object:
    # Starting the embedded server takes a moment, during which the loop must serve its other tasks.
    server = await asyncio.to_thread(endpoint.dataset_server, step.address)
    return await transport.send(step.call, server, limits)
