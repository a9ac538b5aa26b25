"""The beginning of a child process: what it shall do stands on its standard input; see `children.Child`."""

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final

from reka.server.errors import StartError
from reka.server.processes.garbage import load_without_gc

STDIN, STDOUT, STDERR = range(3)

_FAILURE: Final = 1


def main() -> None:
    """Do what the parent process wants, until it says so or ends itself."""
    line = sys.stdin.buffer.readline()
    if not line:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its children in order
    threading.Thread(target=_end_with_parent, name="reka-parent", daemon=True).start()
    try:
        _run(json.loads(line))
    except StartError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(_FAILURE)


def _run(orders: Mapping[str, Any]) -> None:
    with load_without_gc():
        from reka.server.settings import Settings

    settings, locks = Settings(**orders["settings"]), orders["locks"]
    if (listener := orders.get("listener")) is None:  # each imports what the other does not need
        with load_without_gc():
            from reka.server.processes.worker import run_worker

        run_worker(settings, locks, _report_ready)
    else:
        with load_without_gc():
            from reka.server.processes.share import run_server_process

        run_server_process(settings, locks, listener, orders["process"], _report_ready)


def _report_ready() -> None:
    """Tell the parent that this process is at work; what else is printed goes to the log."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    os.dup2(STDERR, STDOUT)


def _end_with_parent() -> None:
    """End at once when the parent has: what is left undone is what a kill leaves undone."""
    while os.read(STDIN, 1):
        pass
    os._exit(_FAILURE)
