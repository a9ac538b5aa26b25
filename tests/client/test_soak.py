"""Long runs: every call is answered once and with its own answer, and nothing piles up."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import reka
from tests.support.clients import KEY
from tests.support.soak_server import run_soak_server

IN_FLIGHT = 200
WARM = 10_000
"""Calls after which memory is measured the first time."""


@dataclass
class Soak:
    """Asks, many at a time, and keeps what memory and descriptors did meanwhile."""

    client: reka.AsyncReka
    left: int
    answered: int = 0
    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    async def run(self) -> None:
        await asyncio.gather(*(self._ask_on() for _ in range(IN_FLIGHT)))
        self._measure()

    async def _ask_on(self) -> None:
        while self.left:
            self.left -= 1
            question = f"question {self.left}"
            assert await self._ask(question, streamed=self.left % 10 == 0) == question
            self.answered += 1
            if self.answered % WARM == 0:
                self._measure()

    async def _ask(self, question: str, *, streamed: bool) -> str:
        if not streamed:
            return (await self.client.chat(question))["text"]
        return "".join([event.text async for event in self.client.stream(question)])

    def _measure(self) -> None:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        self.memory.append(resident)
        self.descriptors.append(_descriptors())


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # names are enough


async def _soak(calls: int) -> Soak:
    with run_soak_server(50) as counts:
        before = _descriptors()
        async with reka.AsyncReka(KEY, counts.url, max_retries=8, proxies={}) as client:
            soak = Soak(client, calls)
            await soak.run()
        assert _descriptors() <= before  # sockets that earlier tests left may have been closed meanwhile

    assert soak.answered == calls
    # Each question was answered once; what the server saw beyond that, it had failed.
    assert counts.requests - counts.failures == calls
    assert counts.failures == pytest.approx(counts.requests / 20, abs=1)
    assert max(soak.descriptors) <= before + IN_FLIGHT
    return soak


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="it is measured by /proc")
async def test_five_thousand_calls_under_faults_are_each_answered_once() -> None:
    await _soak(5_000)


@pytest.mark.prove
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="it is measured by /proc")
async def test_two_hundred_thousand_calls_leave_memory_and_descriptors_as_they_were() -> None:
    soak = await _soak(200_000)

    print(f"resident MiB: {[round(size / 2**20, 1) for size in soak.memory]}")  # the proof
    assert soak.memory[-1] <= soak.memory[0] * 1.05


@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.prove)])
def test_of_256_calls_over_64_threads_none_is_lost(rounds: int) -> None:
    with (
        run_soak_server(0) as counts,
        reka.Reka(KEY, counts.url, max_retries=0, timeout=30, proxies={}) as client,
        ThreadPoolExecutor(64) as threads,
    ):
        for turn in range(rounds):
            questions = [f"question {turn}.{number}" for number in range(256)]
            answers = threads.map(lambda question: client.chat(question)["text"], questions)
            assert list(answers) == questions

    assert counts.requests == rounds * 256


@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.prove)])
def test_of_256_calls_over_64_threads_none_is_lost_under_faults(rounds: int) -> None:
    with (
        run_soak_server(50) as counts,
        reka.Reka(KEY, counts.url, max_retries=8, timeout=30, proxies={}) as client,
        ThreadPoolExecutor(64) as threads,
    ):
        for turn in range(rounds):
            questions = [f"question {turn}.{number}" for number in range(256)]
            answers = threads.map(lambda question: client.chat(question)["text"], questions)
            assert list(answers) == questions

    assert counts.requests - counts.failures == rounds * 256
