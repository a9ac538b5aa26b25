"""Two hundred streams at once through one process: `reka serve` beside the model itself and beside LiteLLM's proxy.

The model is a constant server in a process of its own. All three places are asked in turn, round by round, by one
client over 200 connections, each of which asks again once its answer is complete: what else the machine does at the
time slows all alike. CPU time is that of the server's process, as the system counts it.

LiteLLM lives in an environment of its own, which is made at first use; REKA_BENCH_LITELLM names a Python that has it.

    python -m bench many_streams
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Final
from urllib.parse import urlsplit

from bench.bounds import report_bound
from bench.constant_server import allow_many_connections, constant_server
from bench.contestants import KEY, MODEL
from bench.server import BODY, CHUNKS, COMPLETIONS, DIRECT, serving
from tests.support.peers import peer_environment

STREAMS: Final = 200
"""Streams at any time."""

CALLS: Final = 1_000
ROUNDS: Final = 3
SLOW_CALLS: Final = 400
"""Calls of a round to LiteLLM, which would take minutes."""

LITELLM: Final = "litellm[proxy]==1.108.7"
PATIENCE_SECONDS: Final = 400.0
OURS, THEIRS = "reka serve", "LiteLLM's proxy"

LEAST_OF_THEIRS: Final = 3.0
"""How many times as many calls a second as LiteLLM's proxy our server answers at least."""


@dataclass(slots=True)
class Place:
    """Somewhere to ask, and what was measured there, round by round."""

    url: str
    pid: int | None
    """Process of the server; None for the model."""
    calls: int = CALLS
    rates: list[float] = field(default_factory=list)
    """Calls a second."""
    milliseconds: list[float] = field(default_factory=list)
    """Durations of all calls."""
    cpu: list[float] = field(default_factory=list)
    """Milliseconds of CPU time a call."""


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and those that it has begun (Linux)."""
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        stats[int(path.parent.name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    family = {pid}
    while more := {one for one, (parent, _) in stats.items() if parent in family} - family:
        family |= more
    return sum(stats[one][1] for one in family) / os.sysconf("SC_CLK_TCK")


@contextmanager
def litellm_proxy(model: str) -> Iterator[tuple[str, int]]:
    """Run LiteLLM's proxy in front of a model, with one process; give its address and its process."""
    python = os.environ.get("REKA_BENCH_LITELLM") or str(peer_environment(LITELLM))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = {
        "model_list": [
            {
                "model_name": MODEL,
                "litellm_params": {"model": f"openai/{MODEL}", "api_base": f"{model}/v1", "api_key": KEY},
            }
        ],
        "litellm_settings": {"telemetry": False},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(json.dumps(config))  # JSON is YAML
        options = ("--config", str(path), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1")
        quiet = {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # it looks no key up, which is faster
        }
        # Compiled modules are kept: it has thousands.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | quiet
        with subprocess.Popen(
            [str(Path(python).with_name("litellm")), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        ) as process:
            try:
                wait_until_it_answers(port, process)
                yield f"http://127.0.0.1:{port}", process.pid
            finally:
                process.terminate()


def wait_until_it_answers(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a server is up."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health/liveliness")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    raise RuntimeError(f"{THEIRS} did not start")


async def ask_at_once(url: str, calls: int) -> tuple[float, list[float]]:
    """Ask for streamed answers, so many at any time; give the seconds of all, and the milliseconds of each."""
    parts = urlsplit(url)
    left = iter(range(calls))
    taken: list[float] = []
    head = (
        f"POST {COMPLETIONS} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        f"X-Api-Key: {KEY}\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(BODY)}\r\n\r\n"
    ).encode()

    async def work() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for _ in left:
            started = perf_counter()
            writer.write(head + BODY)
            answer = await reader.readuntil(b"0\r\n\r\n")
            taken.append(1000 * (perf_counter() - started))
            if b" 200 OK" not in answer[:20] or answer.count(b"word ") != CHUNKS or b"[DONE]" not in answer:
                raise RuntimeError(f"{url}: got {answer[:300]!r}, want a stream of {CHUNKS} words")
        writer.close()

    started = perf_counter()
    await asyncio.gather(*(work() for _ in range(STREAMS)))
    return perf_counter() - started, taken


def measure(place: Place) -> None:
    """Measure one round."""
    before = 0.0 if place.pid is None else cpu_seconds(place.pid)
    seconds, taken = asyncio.run(ask_at_once(place.url, place.calls))
    place.rates.append(place.calls / seconds)
    place.milliseconds += taken
    if place.pid is not None:
        place.cpu.append(1000 * (cpu_seconds(place.pid) - before) / place.calls)


def report(places: dict[str, Place]) -> int:
    """Print the figures, and give how many bounds are missed."""
    print(f"{STREAMS} streams of {CHUNKS} chunks at once, {ROUNDS} rounds")
    print(f"  {'':18} {'calls/s':>8} {'median':>10} {'99th of 100':>12} {'CPU a call':>11}")
    for name, place in places.items():
        cpu = f"{median(place.cpu):8.2f} ms" if place.cpu else f"{'':11}"
        print(
            f"  {name:18} {median(place.rates):8.0f} {median(place.milliseconds):7.0f} ms"
            f" {quantiles(place.milliseconds, n=100)[-1]:9.0f} ms {cpu}"
        )
    ratio = median(places[OURS].rates) / median(places[THEIRS].rates)
    return report_bound(ratio >= LEAST_OF_THEIRS, f"{ratio:.1f} times the calls of {THEIRS}", f"{LEAST_OF_THEIRS:g}")


def main() -> int:
    """Measure and print; 0 if every bound is met, else 1."""
    allow_many_connections()
    with ExitStack() as stack:
        model = stack.enter_context(constant_server(CHUNKS))
        ours = stack.enter_context(serving(model))
        url, pid = stack.enter_context(litellm_proxy(model))
        places = {
            DIRECT: Place(model, None),
            OURS: Place(ours.url, ours.pid),
            THEIRS: Place(url, pid, SLOW_CALLS),
        }
        for place in places.values():
            asyncio.run(ask_at_once(place.url, STREAMS))  # what any first answer loads is not counted
        for number in range(ROUNDS):
            for name, place in places.items():
                measure(place)
                print(f"  round {number + 1}: {name} {place.rates[-1]:.0f} calls a second", flush=True)
    return report(places)


if __name__ == "__main__":
    sys.exit(main())
