"""Every default and limit of the client."""

import os
import sys
from dataclasses import dataclass
from typing import Final

from reka._protocol.constants import DEFAULT_MODEL
from reka._protocol.constants import RETRIEVED_CHUNKS as RETRIEVED_CHUNKS
from reka.errors import InvalidArgumentError

MODEL: Final = DEFAULT_MODEL
"""Model of a chat that names none (documented)."""

CONNECT_TIMEOUT: Final = 10.0
"""Seconds to wait for a connection (ours)."""

READ_TIMEOUT: Final = 300.0
"""Seconds of silence that end a call; a long answer may need minutes before its first byte (ours)."""

TOTAL_TIMEOUT: Final = 600.0
"""Seconds a call may last, its retries included; uploads, and streams once they have begun, are bounded by READ_TIMEOUT
alone (ours)."""

MAX_RETRIES: Final = 2
"""How often a failed call is sent again (ours)."""

MAX_MEDIA_BYTES: Final = 1024 * 1024 * 1024
"""Bytes of a media file that `media_filename` sends, so that a file without end is not read into memory (ours).

What a server takes is its own to say.
"""

BLOCK_BYTES: Final = 256 * 1024
"""Bytes of a dataset that are read and sent at a time (ours)."""

DOCUMENT_BATCH_BYTES: Final = 8 * 1024 * 1024
"""Bytes of documents that are sent in one request; a larger document is sent alone (ours)."""

DOCUMENT_BATCH: Final = 2_000
"""Maximum number of documents that are sent, and of ids that are deleted, in one request (ours)."""

EMBEDDED_TEXTS: Final = 512
EMBEDDED_CHARS: Final = 200_000
"""Texts, and characters of texts, that are sent in one request for embeddings; a longer text is sent alone (ours)."""

DOCUMENT_PAGE: Final = 1_000
"""Documents that are listed in one request (ours)."""

RETIRED_SECONDS: Final = 60.0
"""Seconds after which adapters delete a dataset that they have replaced, on a host without documents (ours)."""

POLL_INTERVALS: Final = (0.1, 0.2, 0.4, 0.8, 1.5, 3.0)
"""Seconds between two looks at a job, the last one repeated (ours)."""

LOCAL: Final = "local"
"""The base URL that stands for the server embedded in this process."""


@dataclass(frozen=True, slots=True)
class Timeout:
    """How long a call may take, in seconds.

    Attributes:
        connect: Longest wait for a connection.
        read: Longest silence of the server once connected.
        total: Longest duration of the whole call, retries and fallbacks included; of a stream, until it begins. It does
            not end an upload that makes progress, nor the wait for a retrieval job.
    """

    connect: float = CONNECT_TIMEOUT
    read: float = READ_TIMEOUT
    total: float = TOTAL_TIMEOUT

    def __post_init__(self) -> None:
        for name in ("connect", "read", "total"):
            seconds = getattr(self, name)
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
                raise InvalidArgumentError(f"timeout: got {name}={seconds!r}, want a number of seconds above 0")


def as_timeout(timeout: float | Timeout | None) -> Timeout:
    """Read a `timeout` argument: None is the default; a number bounds silence and the whole call alike."""
    if timeout is None:
        return Timeout()
    if isinstance(timeout, Timeout):
        return timeout
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise InvalidArgumentError(f"timeout: got {timeout!r}, want seconds or a reka.Timeout")
    return Timeout(connect=min(CONNECT_TIMEOUT, timeout), read=timeout, total=timeout)


def default_model() -> str:
    """Name of the model of a chat that names none: `reka.MODEL`, else the environment's REKA_MODEL, read now."""
    model: str | None = getattr(sys.modules["reka"], "MODEL", None)
    return model or os.environ.get("REKA_MODEL") or MODEL
