"""One event loop per process, in its own thread, for synchronous code that makes many calls at once.

Threads that each wait for one call contend for the GIL; one loop that waits for all of them does not.
"""

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from reka.adapters.fork_locks import ForkLock

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and wait for it, with the caller's context variables.

    It can be called from any thread but the background loop's own (see `in_background_loop`), also inside another
    event loop, which it blocks.

    Raises:
        RuntimeError: Called on the background loop itself, which would deadlock.
    """
    if in_background_loop():
        coroutine.close()
        raise RuntimeError(
            "reka.adapters.background_loop.run was called on the background loop itself; await the coroutine instead"
        )
    future: Future[T] = asyncio.run_coroutine_threadsafe(coroutine, _get_or_start().loop)
    try:
        return future.result()
    except BaseException:  # Ctrl-C cancels the coroutine as well
        future.cancel()
        raise


def start_if_running(make: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Start a coroutine on the background loop without waiting for it, if the loop exists.

    It takes no lock, so finalizers can call it.
    """
    thread = _loop_thread
    if thread is not None and not thread.loop.is_closed():
        asyncio.run_coroutine_threadsafe(make(), thread.loop)


def in_background_loop() -> bool:
    """Whether the caller runs on the background loop."""
    thread = _loop_thread  # once: the end of the process forgets it
    return thread is not None and threading.current_thread() is thread.thread


def is_running() -> bool:
    """Whether the background loop has been started."""
    return _loop_thread is not None


class _LoopThread:
    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self.thread = threading.Thread(target=self._run, name="reka-background", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self.thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._stop.wait())
            self.loop.run_until_complete(_cancel_other_tasks())
            # Closes the sessions of the clients used on this loop.
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()


async def _cancel_other_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


_lock: Final = ForkLock()
_loop_thread: _LoopThread | None = None


def _get_or_start() -> _LoopThread:
    global _loop_thread
    with _lock:
        if _loop_thread is None:
            _loop_thread = _LoopThread()
        return _loop_thread


@atexit.register
def _stop() -> None:
    """Stop the loop at exit, so that no session is left unclosed."""
    global _loop_thread
    with _lock:
        thread, _loop_thread = _loop_thread, None
    if thread is not None:
        thread.stop()


def _reset_after_fork() -> None:
    """Forget the loop in a forked child, which has no thread to run it."""
    global _loop_thread
    _loop_thread = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
