"""One event loop for the whole process, in a thread of its own: for code that cannot wait, and has many calls to make.

Threads that each wait for one call fight for the interpreter; one loop that waits for all of them does not.
"""

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and wait for it; it sees the caller's context variables.

    May be called from any thread, also from inside another event loop (which it blocks), but for the background loop's
    own: see `in_background_loop`.

    Raises:
        RuntimeError: Called on the background loop itself, which would wait for itself.
    """
    if in_background_loop():
        coroutine.close()
        raise RuntimeError(
            "reka.adapters.background_loop.run was called on the background loop itself; await the coroutine instead"
        )
    future: Future[T] = asyncio.run_coroutine_threadsafe(coroutine, _get_or_start().loop)
    try:
        return future.result()
    except BaseException:  # Ctrl-C ends the waiting, and what was waited for with it
        future.cancel()
        raise


def start_if_running(make: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Start a coroutine on the background loop without waiting for it; nothing happens if there is no such loop yet.

    It takes no lock, so it may be called while garbage is collected, which may be at any moment.
    """
    server = _server
    if server is not None and not server.loop.is_closed():
        asyncio.run_coroutine_threadsafe(make(), server.loop)


def in_background_loop() -> bool:
    """Whether the caller runs on the background loop."""
    return _server is not None and threading.current_thread() is _server.thread


def is_running() -> bool:
    """Whether anything was run on the background loop so far."""
    return _server is not None


class _LoopThread:
    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self.thread = threading.Thread(target=self._serve, name="reka-background", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self.thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._stop.wait())
            self.loop.run_until_complete(_cancel_the_others())
            # Closes the sessions of the clients that were used here.
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()


async def _cancel_the_others() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


_lock = threading.Lock()
_server: _LoopThread | None = None


def _get_or_start() -> _LoopThread:
    global _server
    with _lock:
        if _server is None:
            _server = _LoopThread()
        return _server


@atexit.register
def _stop() -> None:
    """End the loop in good order, so that nothing is left unclosed."""
    global _server
    with _lock:
        server, _server = _server, None
    if server is not None:
        server.stop()


def _reset_after_fork() -> None:
    """A forked child has the loop and not its thread: it starts afresh."""
    global _lock, _server
    _lock, _server = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
