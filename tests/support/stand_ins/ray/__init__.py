"""A stand-in for Ray, as far as a driver uses it: its tasks run one by one, in this process.

Its address says what becomes of it: `NAME?silent` is not reached, `NAME?dies=N` ends with its driver at task N,
`NAME?old` has another release on its nodes.
"""

import os
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

_script: dict[str, list[str]] = {}
_tasks = 0


def init(address: str, **_: Any) -> None:
    _script.update(parse_qs(address.partition("?")[2], keep_blank_values=True))
    if "refuses" in _script:
        raise ConnectionError("no cluster here")
    if "silent" in _script:
        threading.Event().wait()


def cluster_resources() -> dict[str, float]:
    return {"CPU": 2.0}


def put(value: Any) -> Any:
    return value


def get(result: Callable[[], Any]) -> Any:
    global _tasks
    _tasks += 1
    if str(_tasks) in _script.get("dies", ()):
        os._exit(1)
    return result()


class remote:  # noqa: N801  # Ray's name
    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def options(self, **_: Any) -> "remote":
        return self

    def remote(self, version: str, *arguments: Any) -> Callable[[], Any]:
        return lambda: self._function("0.0.1" if "old" in _script else version, *arguments)
