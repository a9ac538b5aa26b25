"""Work in a thread of its own: a few items ahead of who takes the results, or until nobody wants it any more."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

CHECK_SECONDS: Final = 0.2
"""Seconds between two looks whether work is still wanted (ours)."""


def map_ahead(work: Callable[[T], R], items: Iterable[T], most: int) -> Generator[R, None, None]:
    """Yield what a thread makes of items, in order, while the next ones are made here.

    Args:
        work: Called with each item, in the thread.
        items: The items.
        most: Number of items that the thread is given at most before a result is taken.

    Raises:
        BaseException: What `work` raises, in the place of its result.
    """
    given: SimpleQueue[tuple[T, Future[R]] | None] = SimpleQueue()
    waiting: deque[Future[R]] = deque()

    def run() -> None:
        while (task := given.get()) is not None:
            item, result = task
            try:
                result.set_result(work(item))
            except BaseException as error:  # noqa: BLE001  # raised where the result is taken
                result.set_exception(error)

    # Not an executor: as a program ends, those refuse work before anything tells that it ends.
    threading.Thread(target=run, name="reka-ahead", daemon=True).start()
    try:
        for item in items:
            waiting.append(Future())
            given.put((item, waiting[-1]))
            if len(waiting) == most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        given.put(None)


def run_while_wanted(
    work: Callable[[], object], check: Callable[[], object], on_abandoned_end: Callable[[], object]
) -> None:
    """Do work that cannot be interrupted, in a thread, and stop to wait for it when it is not wanted any more.

    Args:
        work: What to do.
        check: Called time and again meanwhile; what it raises is raised at once, and the thread is left to end alone.
        on_abandoned_end: Called in that thread when it has ended then, however it did: cleans up what it has left.

    Raises:
        BaseException: What `work` or `check` raises.
    """
    done: Future[None] = Future()
    is_abandoned = threading.Event()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # raised where the result is taken
            done.set_exception(error)
        else:
            done.set_result(None)
        if is_abandoned.is_set():
            on_abandoned_end()

    threading.Thread(target=run, name="reka-work", daemon=True).start()
    try:
        while not wait([done], CHECK_SECONDS).done:
            check()
    except BaseException:
        is_abandoned.set()
        if done.done():  # it may have looked before that
            on_abandoned_end()
        raise
    done.result()
