"""What `reka serve` costs in front of a model: time to the first token, memory of open streams, calls a second.

The model is a constant server in a process of its own, so fast that all the time is the server's. It is asked directly
and through the server in turn, call by call: what else the machine does at the time slows both alike.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Final
from urllib.parse import urlsplit

from bench.bounds import conclude, report_bound
from bench.clients import running
from bench.constant_server import allow_many_connections, constant_server
from bench.contestants import KEY, messages

CHUNKS: Final = 20
"""Chunks of a streamed answer."""

STREAMS: Final = 400
"""Streamed answers that are timed at each place."""

MOST_ADDED_MS: Final = 2.0
"""Milliseconds that the server may add to the first token."""

OPEN_STREAMS: Final = 500
MOST_ADDED_MIB: Final = 60.0
"""MiB that so many open streams may add to the server."""

CALLS: Final = {"calls": 1500, "in_flight": 64}
CALL_ROUNDS: Final = 5

DIRECT: Final = "the model itself"
COMPLETIONS: Final = "/v1/chat/completions"
BODY: Final = json.dumps(messages()).encode()
HEADERS: Final = {"Content-Type": "application/json", "X-Api-Key": KEY}


@dataclass(frozen=True, slots=True)
class Server:
    """A server of ours, in a process of its own."""

    url: str
    pid: int

    def resident_mib(self) -> float:
        """MiB of memory that it holds now (Linux)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


@contextmanager
def serving(upstream: str, *program: str, **environment: str) -> Iterator[Server]:
    """Run a server in front of a model, on an empty data folder.

    Args:
        upstream: The model's address.
        program: A module that takes the options of `reka.server`, and its arguments before them; `reka.server` itself
            if there is none.
        environment: Variables of its environment besides ours.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", *(program or ["reka.server"]), "--port", "0", "--data-dir", folder]
        settings = {"REKA_SERVER_UPSTREAM": upstream, "REKA_SERVER_UPSTREAM_MODEL": "reka-flash", **environment}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | settings
        ) as process:
            assert process.stdout is not None
            try:
                yield Server(process.stdout.readline().split()[-1], process.pid)
            finally:
                process.terminate()


class Asker:
    """Asks one endpoint for streamed answers, over one connection."""

    def __init__(self, url: str, path: str) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc)
        self._path = path

    def first_token_seconds(self) -> float:
        """Seconds from asking to the first event of an answer; the answer is read to its end."""
        begun = perf_counter()
        self._connection.request("POST", self._path, BODY, HEADERS)
        response = self._connection.getresponse()
        line = response.readline()
        taken = perf_counter() - begun
        if b"word " not in line:
            raise RuntimeError(f"{self._path}: got {line!r} with status {response.status}, want a first token")
        response.read()
        return taken

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def first_tokens(model: str, server: str) -> int:
    """Print how long the first token takes, directly and through the server, and give how many bounds are missed."""
    places = {
        DIRECT: (model, COMPLETIONS),
        "through /v1/chat/completions": (server, COMPLETIONS),
        "through /v1/chat": (server, "/v1/chat"),
    }
    askers = {name: Asker(*place) for name, place in places.items()}
    seconds: dict[str, list[float]] = {name: [] for name in askers}
    # The model is asked before each question to the server, which then has cleared away the one before.
    through = [name for name in askers if name != DIRECT]
    for _ in range(STREAMS):
        for name in (one for other in through for one in (DIRECT, other)):
            seconds[name].append(askers[name].first_token_seconds())
    for asker in askers.values():
        asker.close()
    print(f"time to the first token, {STREAMS} answers each")
    milliseconds = {name: [one * 1000 for one in taken[STREAMS // 10 :]] for name, taken in seconds.items()}
    missed = 0
    for name, taken in milliseconds.items():
        print(f"  {name:30} median {median(taken):6.2f} ms   95th of 100 {quantiles(taken, n=20)[-1]:6.2f} ms")
    for name in through:
        added = median(milliseconds[name]) - median(milliseconds[DIRECT])
        missed += report_bound(added <= MOST_ADDED_MS, f"{name} adds {added:.2f} ms", f"at most {MOST_ADDED_MS:g}")
    return missed


async def open_streams(server: Server, path: str) -> float:
    """Open streams that wait for their model, and give the MiB that they add to the server."""
    # One first, so that what any stream loads is not counted for all.
    connections = [await _first_event_of(server.url, path)]
    before = server.resident_mib()
    for _ in range(OPEN_STREAMS // 20):
        connections += await asyncio.gather(*(_first_event_of(server.url, path) for _ in range(20)))
    added = server.resident_mib() - before
    for writer in connections:
        writer.close()
    return added


async def _first_event_of(url: str, path: str) -> asyncio.StreamWriter:
    """Ask for a streamed answer, wait for its first event, and leave the connection open."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = "".join(f"{name}: {value}\r\n" for name, value in {**HEADERS, "Content-Length": len(BODY)}.items())
    writer.write(f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{head}\r\n".encode() + BODY)
    await reader.readuntil(b"word ")
    return writer


def idle_streams(model: str) -> int:
    """Print what open streams cost, and give how many bounds are missed."""
    missed = 0
    print(f"\n{OPEN_STREAMS} open streams whose model waits")
    for path in (COMPLETIONS, "/v1/chat"):
        with serving(f"{model}/held/v1") as server:
            added = asyncio.run(open_streams(server, path))
        what = f"{path} adds {added:.1f} MiB, {added * 1024 / OPEN_STREAMS:.0f} KiB a stream"
        missed += report_bound(added <= MOST_ADDED_MIB, what, f"at most {MOST_ADDED_MIB:g} MiB")
    return missed


def calls_a_second(model: str, server: str) -> None:
    """Print how many calls a second the model and the server answer, neither streamed."""
    print(f"\ncalls a second at the documented /chat, {CALLS['in_flight']} in flight")
    with ExitStack() as stack:
        askers = {
            DIRECT: stack.enter_context(running("raw aiohttp", model)),
            "through the server": stack.enter_context(running("raw aiohttp", server)),
        }
        rates: dict[str, list[float]] = {name: [] for name in askers}
        for _ in range(CALL_ROUNDS):
            for name, asker in askers.items():
                rates[name].append(1 / asker.figures("chat_at_once", CALLS)["seconds"])
    for name, measured in rates.items():
        print(f"  {name:30} {median(measured):6.0f}")


def main() -> int:
    """Measure and print; 0 if every bound is met, else 1."""
    allow_many_connections()
    with constant_server(CHUNKS) as model:
        with serving(model) as server:
            missed = first_tokens(model, server.url)
            calls_a_second(model, server.url)
        missed += idle_streams(model)
    return conclude(missed)


if __name__ == "__main__":
    sys.exit(main())
