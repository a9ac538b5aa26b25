"""Work in a thread of its own, a few items ahead of who takes the results."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(work: Callable[[T], R], items: Iterable[T], most: int) -> Generator[tuple[T, R], None, None]:
    """Yield items, in order, with what a thread makes of them, while the next ones are made here.

    Args:
        work: Called with each item, in the thread.
        items: The items.
        most: Number of items that the thread is given at most before a result is taken.

    Raises:
        BaseException: What `work` raises, in the place of its result.
    """
    given: SimpleQueue[tuple[T, Future[R]] | None] = SimpleQueue()
    waiting: deque[tuple[T, Future[R]]] = deque()

    def run() -> None:
        while (task := given.get()) is not None:
            item, result = task
            try:
                result.set_result(work(item))
            except BaseException as error:  # noqa: BLE001  # raised where the result is taken
                result.set_exception(error)

    def take() -> tuple[T, R]:
        item, result = waiting.popleft()
        return item, result.result()

    # Not an executor: as a program ends, those refuse work before anything tells that it ends.
    threading.Thread(target=run, name="reka-ahead", daemon=True).start()
    try:
        for item in items:
            waiting.append((item, Future()))
            given.put(waiting[-1])
            if len(waiting) == most:
                yield take()
        while waiting:
            yield take()
    finally:
        given.put(None)
