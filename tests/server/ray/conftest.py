"""A Ray cluster of two nodes on this machine, with a token that no other program knows."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

START = (str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1", "--disable-usage-stats")
MEMORY = f"--object-store-memory={2**27}"


class Cluster:
    """Two nodes, of a core each; each can be killed."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        # Ray's sockets are in it, so its path must be short.
        self._folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        head = ("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self._folder}")
        self._nodes = [self._start(*head)]
        self._nodes.append(self._start(f"--address={self.address}"))

    def kill_node(self, number: int) -> None:
        """Kill a node with all of its processes; 0 is the head."""
        node = self._nodes[number]
        if node.returncode is None:
            os.killpg(node.pid, signal.SIGKILL)
            node.wait()
            assert node.stdout is not None
            node.stdout.close()

    def end(self) -> None:
        for number in (1, 0):
            self.kill_node(number)
        shutil.rmtree(self._folder, ignore_errors=True)

    @staticmethod
    def _start(*options: str) -> "subprocess.Popen[str]":
        command = (*START, MEMORY, *options)
        node = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        assert node.stdout is not None
        lines = []
        for line in node.stdout:
            lines.append(line)
            if "runtime started" in line:
                return node
        raise AssertionError("".join(lines))


@pytest.fixture(scope="session", autouse=True)
def token() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(16))
        yield


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def start_cluster() -> Iterator[Callable[[int], Cluster]]:
    clusters: list[Cluster] = []

    def start(port: int) -> Cluster:
        clusters.append(Cluster(port))
        return clusters[-1]

    yield start
    for cluster in clusters:
        cluster.end()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(free_port())
    yield cluster
    cluster.end()
