"""What only the async client can get wrong: loops, tasks, and what is left behind."""

import asyncio
import gc
import inspect
import resource
import subprocess
import sys
import textwrap
import threading
import weakref
from typing import Any

import pytest

import reka
from reka.testing import Answer, FakeReka
from reka.testing.bodies import chunk, events, texts
from tests.support.clients import KEY

HI = [{"role": "user", "content": "Hi"}]
TURN = {"type": "model", "text": "Hello"}


def _public(kind: type) -> dict[str, Any]:
    return {name: member for name, member in inspect.getmembers(kind, callable) if not name.startswith("_")}


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    sync, twin = _public(reka.Reka), _public(reka.AsyncReka)

    assert sync.keys() == twin.keys()
    for name, method in sync.items():
        assert inspect.signature(method).parameters == inspect.signature(twin[name]).parameters, name


def test_what_waits_is_awaited_and_what_streams_is_an_async_generator() -> None:
    for name, method in _public(reka.Reka).items():
        returned = str(inspect.signature(method).return_annotation)
        returned_by_twin = str(inspect.signature(getattr(reka.AsyncReka, name)).return_annotation)
        if name == "with_options":
            assert (returned, returned_by_twin) == ("Reka", "AsyncReka")
        elif "Generator" in returned:
            item = returned[returned.index("[") + 1 :].split(",")[0]
            assert returned_by_twin.startswith(f"collections.abc.AsyncGenerator[{item},")
        else:
            assert inspect.iscoroutinefunction(getattr(reka.AsyncReka, name)), name
            assert returned == returned_by_twin


def test_both_constructors_take_the_same_arguments() -> None:
    sync, twin = (inspect.signature(kind).parameters for kind in (reka.Reka, reka.AsyncReka))

    assert list(sync) == list(twin)
    assert [(p.name, p.kind, p.default) for p in sync.values()] == [(p.name, p.kind, p.default) for p in twin.values()]


def test_one_client_serves_event_loops_in_turn_and_keeps_none_of_them(fake: FakeReka) -> None:
    client = reka.AsyncReka(KEY, fake.url)
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def ask() -> Any:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        return await client.chat("Hi")

    for _ in range(4):
        fake.will_answer(200, TURN)
        assert asyncio.run(ask()) == TURN
    gc.collect()

    assert fake.all_connections_closed()
    assert [loop() for loop in loops] == [None] * 4


def test_one_client_serves_event_loops_in_several_threads_at_once(fake: FakeReka) -> None:
    client = reka.AsyncReka(KEY, fake.url)
    fake.otherwise = Answer(200, b'{"type": "model", "text": "Hello"}')
    answers: list[Any] = []

    async def ask() -> None:
        for _ in range(5):
            answers.append(await client.chat("Hi"))  # noqa: PERF401  # one after the other

    threads = [threading.Thread(target=asyncio.run, args=(ask(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [TURN] * 40
    assert fake.all_connections_closed()


def test_a_loop_may_begin_in_another_thread_while_a_call_looks_for_loops_that_have_ended(fake: FakeReka) -> None:
    client = reka.AsyncReka(KEY, fake.url)
    fake.otherwise = Answer(200, b'{"type": "model", "text": "Hello"}')
    other = asyncio.new_event_loop()

    class Loop(asyncio.SelectorEventLoop):
        meanwhile: threading.Thread | None = None

        def is_closed(self) -> bool:
            thread, self.meanwhile = self.meanwhile, None
            if thread is not None:
                thread.start()
                thread.join()
            return super().is_closed()

    first = Loop()
    first.run_until_complete(client.chat("Hi"))
    first.meanwhile = threading.Thread(target=lambda: other.run_until_complete(client.chat("Hi")))

    try:
        assert asyncio.run(client.chat("Hi")) == TURN
    finally:
        for loop in (first, other):
            loop.run_until_complete(client.close())
            loop.close()


def test_a_loop_that_ends_without_shutting_its_generators_down_leaves_the_client_usable(fake: FakeReka) -> None:
    client = reka.AsyncReka(KEY, fake.url)
    fake.will_answer(200, TURN)
    fake.will_answer(200, TURN)
    loop = asyncio.new_event_loop()

    assert loop.run_until_complete(client.chat("Hi")) == TURN
    loop.run_until_complete(client.close())
    loop.close()

    assert asyncio.run(client.chat("Hi")) == TURN


async def test_a_closed_client_opens_new_connections_and_closing_twice_is_nothing(fake: FakeReka) -> None:
    client = reka.AsyncReka(KEY, fake.url)
    await client.close()
    for _ in range(2):
        fake.will_answer(200, TURN)
        assert await client.chat("Hi") == TURN
        await client.close()
        await client.close()

    assert fake.connections == 2


async def test_a_thousand_calls_are_in_flight_at_once_and_each_gets_its_own_answer(fake: FakeReka) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Nobody is answered before all have asked.
    together = threading.Barrier(1000)

    def answer(handler: Any) -> None:
        together.wait(60)
        handler.begin("application/json")
        question = handler.recorded.json["conversation_history"][0]["text"]
        handler.chunk(f'{{"type": "model", "text": "{question}"}}'.encode())
        handler.chunk(b"")

    for _ in range(1000):
        fake.will_give(answer)

    async with reka.AsyncReka(KEY, fake.url, timeout=60, max_retries=0) as client:
        answers = await asyncio.gather(*(client.chat(f"question {number}") for number in range(1000)))

    assert [answer["text"] for answer in answers] == [f"question {number}" for number in range(1000)]
    assert fake.connections == 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("method", ["chat", "complete", "stream", "stream_messages", "get_models"])
@pytest.mark.parametrize("where", ["before the answer", "inside the body"])
async def test_cancelling_a_task_frees_its_connection(fake: FakeReka, method: str, where: str) -> None:
    reached, gone = threading.Event(), threading.Event()

    def hang(handler: Any) -> None:
        if where == "inside the body":
            handler.begin("text/event-stream" if method.startswith("stream") else "application/json")
            handler.chunk(events(chunk(content="Hel")) if method.startswith("stream") else b"{")
        reached.set()
        if handler.connection.recv(1) == b"":
            gone.set()

    fake.will_give(hang)
    client = reka.AsyncReka(KEY, fake.url)
    task = asyncio.ensure_future(_ask(client, method))
    await asyncio.to_thread(reached.wait, 5)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await asyncio.to_thread(gone.wait, 5)
    fake.will_answer(200, [])
    assert await client.get_models() == []
    await client.close()


async def _ask(client: reka.AsyncReka, method: str) -> None:
    if method == "get_models":
        await client.get_models()
    elif method == "chat":
        await client.chat("Hi")
    elif method == "complete":
        await client.complete(HI)
    elif method == "stream":
        async for _ in client.stream("Hi"):
            pass
    else:
        async for _ in client.stream_messages(HI):
            pass


async def test_an_upload_that_is_cancelled_frees_its_connection_and_its_file(fake: FakeReka, tmp_path: Any) -> None:
    (tmp_path / "large.txt").write_bytes(b"text " * 2**20)
    reached, gone = threading.Event(), threading.Event()
    fake.takes_bodies = False

    def hang(handler: Any) -> None:
        reached.set()
        while handler.connection.recv(2**16):
            pass
        gone.set()

    fake.will_give(hang)
    client = reka.AsyncReka(KEY, fake.url)
    task = asyncio.ensure_future(client.add_dataset(tmp_path / "large.txt", "large"))
    await asyncio.to_thread(reached.wait, 5)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await client.close()

    assert await asyncio.to_thread(gone.wait, 5)


async def test_after_a_call_no_task_is_left(fake: FakeReka) -> None:
    fake.will_answer(200, TURN)
    fake.will_stream(texts("Hello"))
    before = asyncio.all_tasks()

    async with reka.AsyncReka(KEY, fake.url) as client:
        await client.chat("Hi")
        assert [event.text async for event in client.stream("Hi")] == ["Hello", ""]
        assert asyncio.all_tasks() == before


SCRIPTS = {
    "chat": "client.chat('Hi')",
    "complete": "client.complete([{'role': 'user', 'content': 'Hi'}])",
    "fails": "fails()",
    "whole stream": "whole()",
    "half a stream": "half()",
    "stream in a cancelled task": "cancelled()",
    "fifty at once": "many()",
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_program_that_closes_nothing_ends_without_a_warning(fake: FakeReka, script: str) -> None:
    code = f"""
        import asyncio, reka

        client = reka.AsyncReka({KEY!r}, {fake.url!r})

        async def fails():
            try:
                await client.get_models()
            except reka.RekaError:
                return "failed"

        async def whole():
            return [event.text async for event in client.stream("Hi")]

        async def half():
            async for event in client.stream("Hi"):
                return event.text

        async def cancelled():
            task = asyncio.ensure_future(whole())
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.wait([task])
            return task.cancelled()

        async def many():
            return len(await asyncio.gather(*(client.chat("Hi") for _ in range(50))))

        async def run():
            asyncio.get_running_loop().slow_callback_duration = 60  # a busy machine is nothing to warn of
            return await {script}

        print(asyncio.run(run()))
    """
    whole = b'{"type": "model", "text": "Hello", "choices": [{"message": {"content": "Hello"}}]}'
    fake.otherwise = Answer(200, whole, {"Content-Type": "application/json"})
    if script == "whole()":
        fake.will_stream(texts("Hello"))
    elif script == "half()" or script == "cancelled()":
        fake.will_stream(events(chunk(content="Hello")), ends=False)

    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.stderr == ""
    assert ended.returncode == 0
    assert ended.stdout.strip()


def test_without_a_running_loop_a_stream_can_be_made_and_thrown_away(fake: FakeReka) -> None:
    client = reka.AsyncReka(KEY, fake.url)

    stream = client.stream("Hi")
    del stream
    gc.collect()

    assert fake.requests == []
