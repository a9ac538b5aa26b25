"""A worker's end of the process that speaks to a Ray cluster; see `driver`."""

import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import IO, Any, Final, cast

from reka._version import __version__
from reka.server.retrieval.building import driver
from reka.server.retrieval.building.driver import Message
from reka.server.retrieval.building.rows import Batch
from reka.server.retrieval.building.task import Answer
from reka.server.retrieval.embeddings import Embedder

LOOK_SECONDS: Final = 0.5
"""Seconds between two looks whether an answer is wanted still (ours)."""

END_SECONDS: Final = 2.0
"""Seconds that the driver has to end before it is killed (ours)."""

_GONE: Final = "it has gone, and the driver with it; the lines above this one say why"


class ClusterError(ConnectionError):
    """A cluster cannot be reached, has gone, or its nodes lack something: all that can pass."""

    description = "the Ray cluster cannot be used"
    """What the owner of a job is told."""


class Link:
    """A driver process, which is there for the length of a `with` block. For one thread."""

    def __init__(self, address: str, gpus: float, embedder: Embedder) -> None:
        """Describe a driver.

        Args:
            address: The cluster's address, as `ray.init` takes it.
            gpus: GPUs of a task.
            embedder: Embeds the chunks; it is sent as its settings.
        """
        self._address = address
        self._orders = (__version__, address, gpus, pickle.dumps(embedder))
        self._messages: SimpleQueue[Message | None] = SimpleQueue()

    def __enter__(self) -> "Link":
        """Start the driver.

        Raises:
            ClusterError: Ray is not installed.
        """
        if find_spec("ray") is None:
            raise ClusterError("Ray is not installed here: pip install 'reka[ray]'")
        # With the path of this process, and not that of the folder that it happens to run in.
        code = f"import sys; sys.path[:] = {sys.path!r}; from {driver.__name__} import main; main()"
        self._process = subprocess.Popen(  # noqa: S603  # it is this program
            [sys.executable, "-c", code, "reka ray driver"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        threading.Thread(target=self._read, args=(self._process.stdout,), name="reka-ray", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the driver; the cluster drops what it has not done."""
        with suppress(OSError):  # it has ended, with something unread
            cast("IO[bytes]", self._process.stdin).close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait_until_ready(self, check: Callable[[], None], seconds: float) -> int:
        """Wait until the cluster is reached; return how many tasks it can work on at once.

        Args:
            check: Called while it waits; an exception it raises ends that.
            seconds: Longest wait.

        Raises:
            ClusterError: It is not reached in that time.
        """
        self._write(self._orders)
        return int(self._next("ready", check, seconds))

    def send(self, batches: list[Batch]) -> None:
        """Give the cluster a task.

        Raises:
            ClusterError: The driver has ended.
        """
        self._write(pickle.dumps(batches, pickle.HIGHEST_PROTOCOL))

    def receive(self, check: Callable[[], None], seconds: float) -> list[Any]:
        """Return the rows of the first task that has been sent and not received: a record batch for each batch.

        Args:
            check: Called while it waits; an exception it raises ends that.
            seconds: Longest wait.

        Raises:
            ClusterError: The cluster has gone, lacks something, or does not answer in time.
            Exception: What the embedder has raised.
        """
        import pyarrow as pa

        answer: Answer = pickle.loads(self._next("answer", check, seconds))  # noqa: S301  # of our own task
        if answer[0] == "error":
            raise answer[1]
        if answer[0] == "fault":
            raise self._error(answer[1])
        return list(pa.ipc.open_stream(answer[1]))

    def _next(self, kind: str, check: Callable[[], None], seconds: float) -> Any:
        deadline = time.monotonic() + seconds
        while True:
            check()
            try:
                message = self._messages.get(timeout=LOOK_SECONDS)
            except Empty:
                if time.monotonic() < deadline:
                    continue
                raise self._error(f"no answer within {seconds:g} s") from None
            if message is None:
                raise self._error(_GONE)
            if message[0] != kind:
                raise self._error(str(message[1]))
            return message[1]

    def _last_words(self) -> str:
        """Return why the driver has ended."""
        try:
            while (message := self._messages.get(timeout=END_SECONDS)) is not None:
                if message[0] == "fault":
                    return message[1]
        except Empty:  # the pipe is open still
            pass
        return _GONE

    def _error(self, problem: str) -> ClusterError:
        return ClusterError(f"the Ray cluster at {self._address}: {problem}")

    def _write(self, message: Any) -> None:
        stream = cast("IO[bytes]", self._process.stdin)
        try:
            pickle.dump(message, stream, pickle.HIGHEST_PROTOCOL)
            stream.flush()
        except OSError:
            raise self._error(self._last_words()) from None

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            try:
                while True:
                    self._messages.put(pickle.load(stream))  # noqa: S301  # of our own process
            except (EOFError, OSError, pickle.UnpicklingError):
                self._messages.put(None)
