"""Every operation, by both clients, under every fault: it ends in time and rightly, and leaves nothing behind."""

import asyncio
import gc
import inspect
import logging
import os
import threading
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

import reka
from reka.testing import FakeReka, answer
from tests.support.clients import KEY
from tests.support.faults import FAULTS, REFUSED, Fault, Operation, operations

KINDS = ["sync", "async"]
NAMES = [operation.name for operation in operations(Path())]
STREAMS = [operation.name for operation in operations(Path()) if operation.is_stream]
TABLE = [(fault, name, kind) for fault in FAULTS for name in NAMES for kind in KINDS]

# What a call may take beyond its deadline, on a machine that is busy with something else.
_SLACK_SECONDS = 2.0


@pytest.fixture(scope="module", autouse=True)
def _only_new_objects_are_collected() -> Iterator[None]:
    """Every case runs the garbage collector, which would walk through all libraries that are loaded each time."""
    gc.freeze()
    yield
    gc.unfreeze()


def _sample() -> list[tuple[Fault, str, str]]:
    """Every fault by both clients, the operations in turn; a fault of streams with a stream."""
    cases = []
    for place, fault in enumerate(FAULTS):
        names = STREAMS if fault.is_of_streams else NAMES
        cases += [(fault, names[(place * 2 + shift) % len(names)], kind) for shift, kind in enumerate(KINDS)]
    return cases


def _ids(cases: list[tuple[Fault, str, str]]) -> list[str]:
    return [f"{fault.name}-{name}-{kind}" for fault, name, kind in cases]


def test_the_sample_covers_the_table() -> None:
    cases = _sample()

    assert {(fault.name, kind) for fault, _, kind in cases} == {
        (fault.name, kind) for fault in FAULTS for kind in KINDS
    }
    assert all(sum(name == other for _, other, _ in cases) >= 2 for name in NAMES)


@pytest.mark.parametrize(("fault", "name", "kind"), _sample(), ids=_ids(_sample()))
def test_a_sample_of_the_table(
    fault: Fault, name: str, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _check(fault, name, kind, tmp_path, caplog)


@pytest.mark.prove
@pytest.mark.parametrize(("fault", "name", "kind"), TABLE, ids=_ids(TABLE))
def test_the_whole_table(fault: Fault, name: str, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _check(fault, name, kind, tmp_path, caplog)


def _check(fault: Fault, name: str, kind: str, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    file = folder / "text.txt"
    file.write_text("some text\n" * 1000)
    operation = next(operation for operation in operations(file) if operation.name == name)
    before = (_open_sockets(), threading.active_count())

    with FakeReka() as server, FakeReka() as elsewhere:
        *answers, server.otherwise = fault.script(operation, elsewhere.url)
        for scripted in answers:
            server.will_give(scripted)
        if fault is REFUSED:
            server.close()
        ended = (_end_sync if kind == "sync" else _end_async)(fault, operation, server.url)
        closed = server.all_connections_closed(_SLACK_SECONDS)

    _check_ending(fault, operation, ended)
    assert closed
    assert elsewhere.connections == 0
    if fault.requests is not None:
        assert len(server.requests) == fault.requests
    _check_key(server, ended, caplog.text)
    del ended
    gc.collect()  # whatever was not closed warns now, and a warning is an error
    assert (_open_sockets(), threading.active_count()) == before


def _check_ending(fault: Fault, operation: Operation, ended: Any) -> None:
    wanted = fault.ending(operation)
    if wanted is None:
        assert not isinstance(ended, Exception), repr(ended)
        assert operation.text(ended) == fault.text
    else:
        assert isinstance(ended, wanted), f"want {wanted.__name__}, got {ended!r}"
        # Exactly, but for the connection's errors, of which some say more than that.
        assert wanted is reka.APIConnectionError or type(ended).__name__ == wanted.__name__, repr(ended)
        assert str(ended)


def _check_key(server: FakeReka, ended: Any, log: str) -> None:
    for request in server.requests:
        elsewhere = {**request.headers, "x-api-key": "", "authorization": ""}
        assert request.headers["x-api-key"] == KEY
        assert KEY not in f"{request.path} {elsewhere} {request.body!r}"
    assert KEY not in log
    if isinstance(ended, reka.RekaError):
        chain: list[BaseException | None] = [ended, ended.__cause__, ended.__context__]
        assert KEY not in "".join(f"{error!r}{error}{vars(error) if error else ''}" for error in chain)


def _end_sync(fault: Fault, operation: Operation, url: str) -> Any:
    with reka.Reka(KEY, url, timeout=fault.timeout, max_retries=1, proxies={}) as client:
        started = time.monotonic()
        try:
            result = getattr(client, operation.name)(*operation.arguments)
            return list(result) if isinstance(result, Generator) else result
        except reka.RekaError as error:
            return error
        finally:
            assert time.monotonic() - started < fault.timeout.total + _SLACK_SECONDS


def _end_async(fault: Fault, operation: Operation, url: str) -> Any:
    async def end() -> Any:
        async with reka.AsyncReka(KEY, url, timeout=fault.timeout, max_retries=1, proxies={}) as client:
            before = asyncio.all_tasks()
            try:
                result = getattr(client, operation.name)(*operation.arguments)
                if isinstance(result, AsyncGenerator):
                    return [event async for event in result]
                return await result if inspect.isawaitable(result) else result
            except reka.RekaError as error:
                return error
            finally:
                await asyncio.sleep(0)
                assert asyncio.all_tasks() == before

    async def end_in_time() -> Any:
        return await asyncio.wait_for(end(), fault.timeout.total + _SLACK_SECONDS)

    return asyncio.run(end_in_time())


def _open_sockets() -> int:
    """How many sockets this process has open."""
    return sum(_target(entry).startswith("socket:") for entry in os.listdir("/proc/self/fd"))  # noqa: PTH208  # names


def _target(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115  # it is no path
    except OSError:
        return ""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.txt"
    path.write_bytes(b"some text\n" * 2**21)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_an_upload_refused_before_it_was_read_ends_in_the_servers_own_words(kind: str, large: Path) -> None:
    operation = next(operation for operation in operations(large) if operation.name == "add_dataset")
    refusing = Fault("413 at once", lambda _operation, _other: [answer(413, {"detail": "too large"})], None)

    with FakeReka() as server:
        server.takes_bodies = False
        server.otherwise = answer(413, {"detail": "too large"}, {"Connection": "close"})
        ended = (_end_sync if kind == "sync" else _end_async)(refusing, operation, server.url)

    assert isinstance(ended, reka.DatasetError)
    assert ended.status_code == 413
    assert "too large" in ended.message


@pytest.mark.parametrize("kind", KINDS)
def test_an_upload_that_the_server_stops_reading_is_a_timeout(kind: str, large: Path) -> None:
    operation = next(operation for operation in operations(large) if operation.name == "add_dataset")
    timeout = reka.Timeout(connect=0.5, read=0.3, total=2)
    stalling = Fault("stops reading", lambda _operation, _other: [], None, timeout=timeout)
    done = threading.Event()

    with FakeReka() as server:
        server.takes_bodies = False
        server.otherwise = lambda _: done.wait(10)
        ended = (_end_sync if kind == "sync" else _end_async)(stalling, operation, server.url)
        done.set()
        assert server.all_connections_closed()

    assert isinstance(ended, reka.APITimeoutError), repr(ended)
