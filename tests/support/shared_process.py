"""Processes that share data: servers without a worker, and workers, each of which can be killed."""

import subprocess
import sys
from pathlib import Path
from typing import Literal

from reka.server.lifecycle import run_service
from reka.server.processes.web import listen, url_of, web_server
from reka.server.settings import Settings
from tests.support.caller import Caller
from tests.support.embedders import WordEmbedder

Kind = Literal["server", "worker"]


class SharedProcess:
    """A server or a worker on data that others use too; it works once built."""

    def __init__(self, kind: Kind, data_dir: Path, database_url: str, lease_seconds: float) -> None:
        arguments = (kind, data_dir, database_url, lease_seconds)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.shared_process", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def caller(self, key: str) -> Caller:
        return Caller(self.url, key)

    def kill(self) -> None:
        """End it as `kill -9` does: without a chance to do anything."""
        self.process.kill()
        self.end()

    def end(self) -> None:
        """End it in order, if it has not ended yet."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait(30)


def main(kind: str, data_dir: str, database_url: str, lease_seconds: str) -> None:
    settings = Settings(
        port=0, data_dir=Path(data_dir), database_url=database_url, lease_seconds=float(lease_seconds), drain_seconds=0
    )
    with run_service(settings, embedder=WordEmbedder(), is_alone=False, runs_jobs=kind == "worker") as service:
        if kind == "worker":
            print("works", flush=True)
            sys.stdin.read()
            return
        listener = listen(settings)
        server = web_server(service, 0, None)
        print(url_of(listener, None), flush=True)
        server.run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
