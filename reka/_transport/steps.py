"""Steps of flows, performed: a call is sent, a sleep is slept."""

import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from reka import endpoint
from reka._calls.call import Call, StreamCall, Upload
from reka._calls.driver import Step
from reka._calls.flow import Brief, Local
from reka._transport.retry import Limits
from reka.endpoint import Server
from reka.errors import APITimeoutError

if TYPE_CHECKING:  # each client loads the HTTP library of its own transport alone
    from reka._transport.aio import AsyncTransport
    from reka._transport.sync import SyncTransport


class FlowClock:
    """Times the consecutive calls of a flow, which share one `total`.

    A sleep, an upload, a brief call and a call to an embedded server take their own time: the calls after them begin
    anew.
    """

    started: float | None = None
    """When the first of the calls began, by `time.monotonic`."""

    def start(self, call: Call[Any], total: float) -> float:
        """Return when the calls began that a call shares its `total` with.

        Raises:
            APITimeoutError: No time is left for the call; it is not sent.
        """
        now = time.monotonic()
        if isinstance(call.body, Upload):
            self.started = None
            return now
        if self.started is None:
            self.started = now
        elif now - self.started >= total:
            raise APITimeoutError(f"{call.method} {call.path} was not sent: the {total:g} s of the whole call are over")
        return self.started


def perform(transport: "SyncTransport", server: Server, limits: Limits, clock: FlowClock, step: Step) -> object:
    """Perform a step.

    Args:
        transport: Sends calls.
        server: Where the flow's calls go, but for those that name an embedded server.
        limits: Limits of the flow.
        clock: The flow's clock.
        step: The step.

    Returns:
        The value of a call, an open stream, or None.

    Raises:
        RekaError: The call failed.
    """
    if isinstance(step, Call):
        started = clock.start(step, limits.timeout.total)
        if isinstance(step, StreamCall):
            return transport.stream(step, server, limits, started)
        return transport.send(step, server, limits, started)
    clock.started = None
    if isinstance(step, Local):
        return transport.send(step.call, endpoint.dataset_server(step.address), limits, time.monotonic())
    if isinstance(step, Brief):
        return transport.send(step.call, server, _brief(limits, step), time.monotonic())
    time.sleep(step.seconds)
    return None


def perform_async(
    transport: "AsyncTransport", server: Server, limits: Limits, clock: FlowClock, step: Step
) -> Awaitable[object]:
    """Async twin of `perform`."""
    if isinstance(step, Call):
        started = clock.start(step, limits.timeout.total)
        if isinstance(step, StreamCall):
            return transport.stream(step, server, limits, started)
        return transport.send(step, server, limits, started)
    clock.started = None
    if isinstance(step, Local):
        return _send_locally(transport, limits, step)
    if isinstance(step, Brief):
        return transport.send(step.call, server, _brief(limits, step), time.monotonic())
    import asyncio  # loaded already by whoever awaits; the sync client does not need it

    return asyncio.sleep(step.seconds)


def _brief(limits: Limits, step: Brief) -> Limits:
    return limits.changed(min(step.seconds, limits.timeout.total), 0)


async def _send_locally(transport: "AsyncTransport", limits: Limits, step: Local) -> object:
    import asyncio

    # Starting the embedded server takes a moment, during which the loop must serve its other tasks.
    server = await asyncio.to_thread(endpoint.dataset_server, step.address)
    return await transport.send(step.call, server, limits, time.monotonic())
