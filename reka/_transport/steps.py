"""Steps of flows, performed: a call is sent, a sleep is slept."""

import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Union

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


class Performer:
    """Performs the steps of one flow, whose consecutive calls share one `total`.

    A sleep, an upload, a brief call and a call to an embedded server take their own time: the calls after them begin
    anew.

    Args:
        transport: Sends calls.
        server: Where the flow's calls go, but for those that name an embedded server.
        limits: Limits of the flow.
    """

    # One object, and no partial function: each call in flight keeps it, and the garbage collector visits it.
    __slots__ = ("_limits", "_server", "_transport", "started")

    def __init__(self, transport: Union["SyncTransport", "AsyncTransport"], server: Server, limits: Limits) -> None:
        self._transport = transport
        self._server = server
        self._limits = limits
        self.started: float | None = None
        """When the first of the consecutive calls began, by `time.monotonic`; None before it."""

    def __call__(self, step: Step) -> Any:
        """Perform a step.

        Returns:
            The value of a call, an open stream, or None; of an asynchronous transport, an awaitable of it.

        Raises:
            RekaError: The call failed.
        """
        if isinstance(step, Call):
            started = self._start(step)
            if isinstance(step, StreamCall):
                return self._transport.stream(step, self._server, self._limits, started)
            return self._transport.send(step, self._server, self._limits, started)
        self.started = None
        if isinstance(step, Local):
            return self._send_locally(step)
        if isinstance(step, Brief):
            limits = self._limits.changed(min(step.seconds, self._limits.timeout.total), 0)
            return self._transport.send(step.call, self._server, limits, time.monotonic())
        return self._sleep(step.seconds)

    def _start(self, call: Call[Any]) -> float:
        """Return when the calls began that a call shares its `total` with, by `time.monotonic`.

        Raises:
            APITimeoutError: No time is left for the call; it is not sent.
        """
        now = time.monotonic()
        if isinstance(call.body, Upload):
            self.started = None
            return now
        if self.started is None:
            self.started = now
        elif now - self.started >= (total := self._limits.timeout.total):
            raise APITimeoutError(f"{call.method} {call.path} was not sent: the {total:g} s of the whole call are over")
        return self.started

    def _send_locally(self, step: Local) -> Any:
        server = endpoint.dataset_server(step.address)
        return self._transport.send(step.call, server, self._limits, time.monotonic())

    def _sleep(self, seconds: float) -> Any:
        time.sleep(seconds)


class AsyncPerformer(Performer):
    """Async twin of `Performer`."""

    __slots__ = ()

    async def _send_locally(self, step: Local) -> Any:
        import asyncio

        # Starting the embedded server takes a moment, during which the loop must serve its other tasks.
        server = await asyncio.to_thread(endpoint.dataset_server, step.address)
        return await self._transport.send(step.call, server, self._limits, time.monotonic())

    def _sleep(self, seconds: float) -> Awaitable[None]:
        import asyncio  # loaded already by whoever awaits; the sync client does not need it

        return asyncio.sleep(seconds)
