"""The access log: a line for each request, as JSON for programs or as text for a terminal.

No line has a key, the name of a dataset, or a text, unless the settings ask for paths or prompts.
"""

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from reka._protocol.checks import expanded
from reka.server.settings import Settings
from reka.server.telemetry.request_record import RequestRecord

__all__ = ["AccessLog", "Outcome", "json_line", "log_fields", "open_access_log", "text_line"]

LogForm: TypeAlias = Literal["auto", "json", "text"]

STANDARD_OUTPUT: Final = "-"
"""Name of the standard output as a destination."""

OWNER_CHARS: Final = 12
"""Length of the digest of an owner in the log (ours)."""

MAX_VALUE_CHARS: Final = 300
"""Characters after which a value is cut off, but a prompt (ours)."""

MAX_PROMPT_CHARS: Final = 10_000
"""Characters after which a prompt is cut off (ours)."""

_LOOK_SECONDS: Final = 1.0
"""Seconds between two looks whether the file has been moved away, as log rotation does (ours)."""

_COMPLAINT_SECONDS: Final = 60.0
"""Seconds between two complaints that lines cannot be written (ours)."""

logger: Final = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """How a request went."""

    method: str
    route: str | None
    """Path of the matched route, with its parameters' names; None if no route matched."""
    path: str
    """The path itself."""
    status: int
    seconds: float
    """Time from the start of the request to the end of the response."""
    bytes_in: int
    """Bytes of the request's body that were read."""
    bytes_out: int
    """Bytes of the response's body."""
    is_complete: bool
    """Whether the response was written to its end."""


def log_fields(
    record: RequestRecord, outcome: Outcome, now: float, *, with_path: bool = False, with_prompt: bool = False
) -> dict[str, Any]:
    """Make the fields of a request's line; what is not known of it is left out.

    Args:
        record: The request.
        outcome: How it went.
        now: When it ended, in seconds since the epoch.
        with_path: Whether its path is a field, in which names of datasets are.
        with_prompt: Whether its prompt is a field.
    """
    fields: dict[str, Any] = {
        "time": datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "request_id": record.id,
        "trace_id": record.trace_id,
        "method": outcome.method,
        "route": outcome.route,
        "path": outcome.path if with_path else None,
        "status": outcome.status,
        "seconds": round(outcome.seconds, 6),
        "bytes_in": outcome.bytes_in,
        "bytes_out": outcome.bytes_out,
        "complete": None if outcome.is_complete else False,
        "owner": None if record.owner is None else _digest(record.owner),
        "model": record.model,
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        "chunks": record.chunks,
        "prompt": record.prompt if with_prompt else None,
    }
    return {name: _cut(name, value) for name, value in fields.items() if value is not None}


def json_line(fields: Mapping[str, Any]) -> str:
    """Write the fields of a request as one line of JSON, in plain ASCII."""
    return json.dumps(fields, separators=(",", ":")) + "\n"


def text_line(fields: Mapping[str, Any]) -> str:
    """Write the fields of a request as one line of text; no value can end the line or control a terminal."""
    values = {name: _plain(value) for name, value in fields.items()}
    head = (values.pop(name, "-") for name in ("time", "method", "route", "status"))
    return " ".join([*head, *(f"{name}={value}" for name, value in values.items())]) + "\n"


class AccessLog:
    """Writes lines to a file or to the standard output. Safe to share between threads, and processes."""

    def __init__(
        self, destination: str, form: LogForm = "auto", *, with_paths: bool = False, with_prompts: bool = False
    ) -> None:
        """Open the log.

        Args:
            destination: Path of the file that lines are appended to; `-` for the standard output.
            form: `json`, `text`, or `auto`: text for a terminal, else JSON.
            with_paths: Whether lines have the path of the request.
            with_prompts: Whether lines have the text of the prompt.

        Raises:
            ValueError: The file cannot be written, or the standard output is closed.
        """
        self._path = None if destination == STANDARD_OUTPUT else expanded(destination, "access_log")
        try:
            self._file = _standard_output() if self._path is None else self._open()
        except OSError as error:
            raise ValueError(
                f"access_log: cannot write {destination!r} ({error.strerror}): want the path of a file, or - for the "
                "standard output"
            ) from error
        is_text = form == "text" or (form == "auto" and os.isatty(self._file))
        self._line: Callable[[Mapping[str, Any]], str] = text_line if is_text else json_line
        self._with_path, self._with_prompt = with_paths, with_prompts
        self._lock = threading.Lock()
        self._look_at = self._complain_at = 0.0
        self._lost = 0

    def write(self, record: RequestRecord, outcome: Outcome) -> None:
        """Write the line of a request; where it cannot be written the server's own log says so."""
        fields = log_fields(record, outcome, time.time(), with_path=self._with_path, with_prompt=self._with_prompt)
        line = self._line(fields).encode()
        with self._lock:
            try:
                self._follow_rotation()
                os.write(self._file, line)  # one call: lines of several processes do not mix
            except OSError as error:
                self._complain(error)

    def close(self) -> None:
        """Close the file."""
        with self._lock, suppress(OSError):
            if self._path is not None:
                os.close(self._file)
                self._file = -1

    def _open(self) -> int:
        assert self._path is not None
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def _follow_rotation(self) -> None:
        """Open the file anew once it has been moved away."""
        now = time.monotonic()
        if self._path is None or self._file < 0 or now < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        here = os.fstat(self._file)
        with suppress(FileNotFoundError):
            if os.path.samestat(here, self._path.stat()):
                return
        opened = self._open()
        os.close(self._file)
        self._file = opened

    def _complain(self, error: OSError) -> None:
        self._lost += 1
        now = time.monotonic()
        if now >= self._complain_at:
            self._complain_at = now + _COMPLAINT_SECONDS
            logger.warning("the access log cannot be written, %d lines are lost (%s)", self._lost, error.strerror)


def open_access_log(settings: Settings) -> AccessLog | None:
    """Open the access log that the settings ask for; None if they ask for none.

    Raises:
        ValueError: The file cannot be written.
    """
    if settings.access_log is None:
        return None
    return AccessLog(
        settings.access_log,
        settings.access_log_format,
        with_paths=settings.access_log_paths,
        with_prompts=settings.access_log_prompts,
    )


def _standard_output() -> int:
    if sys.__stdout__ is None or sys.__stdout__.closed:
        raise ValueError("access_log: got '-', and the standard output is closed: give the path of a file instead")
    return sys.__stdout__.fileno()


@lru_cache(1024)
def _digest(owner: str) -> str:
    return sha256(owner.encode()).hexdigest()[:OWNER_CHARS]


def _cut(name: str, value: Any) -> Any:
    most = MAX_PROMPT_CHARS if name == "prompt" else MAX_VALUE_CHARS
    return f"{value[:most]}..." if isinstance(value, str) and len(value) > most else value


def _plain(value: Any) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text and text else json.dumps(text)
