import threading
from collections.abc import Iterator

import pytest

from reka.server.retrieval.ahead import map_ahead


def test_results_come_in_order_with_what_they_were_made_of() -> None:
    assert list(map_ahead(lambda number: number * 2, range(10), 3)) == [(number, number * 2) for number in range(10)]
    assert list(map_ahead(str, [], 3)) == []


def test_no_more_items_are_taken_than_may_wait() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    results = map_ahead(str, items(), 3)

    assert next(results) == (0, "0")
    assert taken == [0, 1, 2]
    results.close()


def test_an_error_is_raised_in_the_place_of_its_result() -> None:
    results = map_ahead(lambda number: 1 // number, [1, 0, 2], 3)

    assert next(results) == (1, 1)
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_the_thread_ends_when_nobody_takes_results_any_more() -> None:
    threads = set()

    def work(number: int) -> int:
        threads.add(threading.current_thread())
        return number

    results = map_ahead(work, range(10), 2)
    next(results)
    results.close()

    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert len(threads) == 1
