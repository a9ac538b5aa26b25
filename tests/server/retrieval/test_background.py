import threading
from collections.abc import Iterator

import pytest

from reka.server.retrieval.background import map_ahead, run_while_wanted


def test_results_come_in_the_order_of_their_items() -> None:
    assert list(map_ahead(lambda number: number * 2, range(10), 3)) == list(range(0, 20, 2))
    assert list(map_ahead(str, [], 3)) == []


def test_no_more_items_are_taken_than_may_wait() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    results = map_ahead(str, items(), 3)

    assert next(results) == "0"
    assert taken == [0, 1, 2]
    results.close()


def test_an_error_is_raised_in_the_place_of_its_result() -> None:
    results = map_ahead(lambda number: 1 // number, [1, 0, 2], 3)

    assert next(results) == 1
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


def test_work_that_is_not_wanted_any_more_is_left_to_itself_and_cleaned_up_after() -> None:
    may_end, is_clean = threading.Event(), threading.Event()

    def refuse() -> None:
        raise LookupError("not wanted")

    with pytest.raises(LookupError):
        run_while_wanted(may_end.wait, refuse, is_clean.set)
    was_clean = is_clean.is_set()
    may_end.set()

    assert is_clean.wait(30)
    assert not was_clean


def test_work_that_is_wanted_is_waited_for_and_its_error_is_raised() -> None:
    may_end, is_clean = threading.Event(), threading.Event()
    checks: list[None] = []

    def look() -> None:
        checks.append(None)
        may_end.set()

    run_while_wanted(may_end.wait, look, is_clean.set)
    with pytest.raises(ZeroDivisionError):
        run_while_wanted(lambda: 1 // 0, look, is_clean.set)

    assert len(checks) == 1
    assert not is_clean.is_set()
