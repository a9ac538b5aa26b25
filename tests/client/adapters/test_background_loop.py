"""One event loop in a thread of its own serves code that cannot wait."""

import asyncio
import contextvars
import multiprocessing
import subprocess
import sys
import threading

import pytest

from reka.adapters import background_loop

mark = contextvars.ContextVar("mark", default="unset")


async def where() -> tuple[str, int, str]:
    return threading.current_thread().name, id(asyncio.get_running_loop()), mark.get()


def test_all_coroutines_run_on_one_loop_and_see_the_callers_context() -> None:
    mark.set("mine")

    first, second = background_loop.run(where()), background_loop.run(where())

    assert first == second
    assert first[0] != threading.current_thread().name
    assert first[2] == "mine"
    assert not background_loop.in_background_loop()
    assert background_loop.is_running()


async def test_it_may_be_used_from_inside_a_running_loop() -> None:
    assert background_loop.run(where())[1] != id(asyncio.get_running_loop())


def test_an_error_arrives_as_it_was_raised() -> None:
    async def fail() -> None:
        raise KeyError("this one")

    with pytest.raises(KeyError, match="this one"):
        background_loop.run(fail())


def test_waiting_for_oneself_is_an_error_and_not_a_deadlock() -> None:
    async def nested() -> None:
        assert background_loop.in_background_loop()
        background_loop.run(where())

    with pytest.raises(RuntimeError, match="await the coroutine instead"):
        background_loop.run(nested())


def test_nothing_is_left_unclosed_at_the_end_of_a_process() -> None:
    program = """
import asyncio
from reka.adapters import background_loop

async def kept():
    try:
        yield
    finally:
        print("closed")

generator = kept()

async def begin():
    await anext(generator)
    background_loop.left = asyncio.ensure_future(asyncio.sleep(1000))

background_loop.run(begin())
"""

    run = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert (run.returncode, run.stdout, run.stderr) == (0, "closed\n", "")


def _asked_in_a_child() -> None:
    assert not background_loop.is_running()
    sys.exit(0 if background_loop.run(where())[2] == "unset" else 1)


@pytest.mark.skipif(not hasattr(multiprocessing, "get_context") or sys.platform == "win32", reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_loop_of_its_own() -> None:
    background_loop.run(where())
    mark.set("unset")

    child = multiprocessing.get_context("fork").Process(target=_asked_in_a_child)
    child.start()
    child.join(30)

    assert child.exitcode == 0
