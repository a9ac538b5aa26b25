"""Every default and limit of the client, and the one place where key and address are looked up."""

import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from reka.errors import AuthError, InvalidArgumentError

API_URL: Final = "https://api.reka.ai"
"""Reka's own host (documented)."""

MODEL: Final = "reka-flash"
"""Model of a chat that names none (documented)."""

CONNECT_TIMEOUT: Final = 10.0
"""Seconds to wait for a connection (ours)."""

READ_TIMEOUT: Final = 300.0
"""Seconds of silence that end a call; a long answer may need minutes before its first byte (ours)."""

TOTAL_TIMEOUT: Final = 600.0
"""Seconds a call may last, its retries included; uploads are bounded by READ_TIMEOUT alone (ours)."""

MAX_RETRIES: Final = 2
"""How often a failed call is sent again (ours)."""

RETRY_STATUSES: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Statuses that a later try may mend (ours, as the best clients do it)."""

FIRST_WAIT: Final = 0.5
"""Seconds: the ceiling of the wait before the first retry; it doubles with each (ours)."""

LONGEST_WAIT: Final = 8.0
"""Seconds: where the doubling of the ceiling ends (ours)."""

LONGEST_RETRY_AFTER: Final = 60.0
"""Seconds: a server that asks for a longer wait is not asked again; the caller sees `retry_after` (ours)."""

MAX_REDIRECTS: Final = 5
"""Redirects within one origin that a call follows (ours)."""

MAX_MEDIA_BYTES: Final = 32 * 1024 * 1024
"""Bytes of a media file that `media_filename` sends; as base64 in JSON they become a third more (ours)."""

BLOCK_BYTES: Final = 256 * 1024
"""Bytes of a dataset that are read and sent at a time (ours)."""

POLL_INTERVALS: Final = (0.1, 0.2, 0.4, 0.8, 1.5, 3.0)
"""Seconds between two looks at a job, the last one repeated (ours)."""

RETRIEVED_CHUNKS: Final = 8
"""Chunks that `retrieve` gives if not told otherwise (ours)."""

MAX_RETRIEVED_CHUNKS: Final = 100
"""The most chunks that `retrieve` can be asked for (our server's limit)."""

LOCAL: Final = "local"
"""The base URL that stands for the server embedded in this process."""


@dataclass(frozen=True, slots=True)
class Timeout:
    """How long a call may take, in seconds.

    Attributes:
        connect: Longest wait for a connection.
        read: Longest silence of the server once connected.
        total: Longest duration of the whole call, retries included. It does not end an upload that makes progress.
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


@dataclass(frozen=True, slots=True)
class Server:
    """Where a call goes and the key that opens it."""

    url: str
    api_key: str

    def __repr__(self) -> str:
        """Show the address, never the key."""
        return f"Server(url={self.url!r})"


def current_server(api_key: str | None = None, base_url: str | None = None) -> Server:
    """Find the server of a call, now.

    Args:
        api_key: The key if the caller gave one; else `reka.API_KEY`, else the environment's REKA_API_KEY.
        base_url: The address if the caller gave one; else `reka.BASE_URL`, else the environment's REKA_BASE_URL,
            else REKA_SERVER, else Reka's own host. `local` or `local:PATH` is the embedded server, which has a key
            of its own: whatever key is set is not used.

    Raises:
        AuthError: There is no key.
        InvalidArgumentError: The key or the address cannot be one.
    """
    address = _address(base_url)
    if not isinstance(address, str):
        raise InvalidArgumentError(f"base_url: got {type(address).__name__}, want a string")
    if is_local(address):
        return _local_server(address)
    key = api_key or _attribute("API_KEY") or _environment("REKA_API_KEY")
    if not key:
        raise AuthError(
            'no API key: set it in code, `reka.API_KEY = "..."`, or in the environment, `export REKA_API_KEY=...` '
            '(with `reka.BASE_URL = "local"` none is needed)'
        )
    if not isinstance(key, str) or not (key.isascii() and key.isprintable()) or key != key.strip():
        raise InvalidArgumentError(
            "api_key: got something that no HTTP header can carry, want printable ASCII with no spaces around it"
        )
    return Server(normalised_url(address), key)


def is_local(base_url: str | None) -> bool:
    """Whether a call with this `base_url` goes to the server embedded in this process."""
    address = _address(base_url)
    return isinstance(address, str) and (address == LOCAL or address.startswith(f"{LOCAL}:"))


def _address(base_url: str | None) -> str:
    return base_url or _attribute("BASE_URL") or _environment("REKA_BASE_URL", "REKA_SERVER") or API_URL


@lru_cache(maxsize=64)
def normalised_url(base_url: str) -> str:
    """Bring a base URL to the form that paths are appended to: no `/` and no `/v1` at its end.

    Raises:
        InvalidArgumentError: It is no http(s) URL, or carries a user name, a query or a fragment.
    """
    wanted = "want an address such as https://api.reka.ai or http://127.0.0.1:8000, or local"
    try:
        parts = urlsplit(base_url.strip())
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        port_is_valid = False
    if not port_is_valid or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidArgumentError(f"base_url: got {base_url!r}, {wanted}")
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidArgumentError(f"base_url: got one with a user name, query or fragment, {wanted}")
    return base_url.strip().rstrip("/").removesuffix("/v1").rstrip("/")


def _attribute(name: str) -> str | None:
    """Read a module-level setting of `reka` as it stands now."""
    value: str | None = getattr(sys.modules["reka"], name, None)
    return value


def _environment(*names: str) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)


def _local_server(address: str) -> Server:
    try:
        from reka.server.local import local_server
    except ImportError as error:
        raise InvalidArgumentError(
            f"base_url: {address!r} starts a server in this process, which needs more packages ({error.name} is "
            "missing): pip install 'reka[server]'"
        ) from error
    from pathlib import Path

    folder = address.removeprefix(LOCAL).removeprefix(":")
    server = local_server(Path(folder) if folder else None)
    return Server(server.base_url, server.api_key)
