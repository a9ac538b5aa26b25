"""The process between a worker and a Ray cluster: Ray's driver, which passes on batches and rows.

It is a process of its own because a driver ends with its cluster: it exits when the head has gone for a minute, and
looks for one that is not there for minutes, in which it reacts to no signal (Ray 2.60).
"""

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any, Final, Literal, TypeAlias

STDIN, STDOUT, STDERR = range(3)

NODE_RETRIES: Final = 3
"""Times that the cluster itself starts a task again whose node has died; Ray's own default."""

Message: TypeAlias = tuple[Literal["ready"], int] | tuple[Literal["answer"], bytes] | tuple[Literal["fault"], str]
"""What the driver says: how many tasks the cluster can work on at once; an `Answer`, pickled; what is wrong
with the cluster."""


def main() -> None:
    """Do what the worker at the other end of the standard input wants, until it closes it or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker
    output = os.fdopen(os.dup(STDOUT), "wb")
    os.dup2(STDERR, STDOUT)  # what Ray prints goes to the log

    def say(message: Message) -> None:
        pickle.dump(message, output, pickle.HIGHEST_PROTOCOL)
        output.flush()

    try:
        _relay(say)
    except BaseException as error:  # noqa: BLE001  # the worker says it
        say(("fault", f"{type(error).__name__}: {str(error).strip()}"))
    finally:
        os._exit(0)


def _relay(say: Callable[[Message], None]) -> None:
    version, address, gpus, embedder = pickle.load(sys.stdin.buffer)  # noqa: S301  # the worker's own
    tasks: SimpleQueue[bytes] = SimpleQueue()
    results: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_read, args=(tasks,), daemon=True).start()
    import ray  # pyright: ignore[reportMissingImports]  # the extra `ray`

    from reka.server.retrieval.building.task import make_rows

    ray.init(address, log_to_driver=False, logging_level="WARNING")
    say(("ready", places_of(ray.cluster_resources(), gpus)))
    work = ray.remote(make_rows).options(num_cpus=1, num_gpus=gpus, max_retries=NODE_RETRIES, name="reka rows")
    embedder = ray.put(embedder)

    def submit() -> None:
        try:
            while True:
                results.put(work.remote(version, embedder, tasks.get()))
        except BaseException as error:  # noqa: BLE001  # raised where the results are taken
            results.put(error)

    threading.Thread(target=submit, daemon=True).start()
    while True:
        result = results.get()
        if isinstance(result, BaseException):
            raise result
        say(("answer", ray.get(result)))


def places_of(resources: Mapping[str, float], gpus: float) -> int:
    """Return how many tasks a cluster can work on at once: of a core each, and of some GPUs or a share of one.

    Raises:
        ValueError: It has no such GPUs.
    """
    places = resources.get("CPU", 0.0)
    if gpus:
        places = min(places, resources.get("GPU", 0.0) / gpus)
        if places < 1:
            raise ValueError(f"got {gpus:g} GPUs for a task, and it has {resources.get('GPU', 0.0):g}")
    return max(1, int(places))


def _read(tasks: "SimpleQueue[bytes]") -> None:
    """Read tasks; end the process when the worker wants no more, or is gone: Ray cancels what is left undone."""
    try:
        while True:
            tasks.put(pickle.load(sys.stdin.buffer))  # noqa: S301  # the worker's own
    finally:
        os._exit(0)
