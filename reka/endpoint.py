"""Where a call goes: the one place where key and address are looked up."""

import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from reka.config import API_URL, LOCAL
from reka.errors import AuthError, InvalidArgumentError


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
        parts, port_is_valid = urlsplit(""), False
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
        from reka.server.embedded import local_server
    except ImportError as error:
        raise InvalidArgumentError(
            f"base_url: {address!r} starts a server in this process, which needs more packages ({error.name} is "
            "missing): pip install 'reka[server]'"
        ) from error
    from pathlib import Path

    folder = address.removeprefix(LOCAL).removeprefix(":")
    server = local_server(Path(folder) if folder else None)
    return Server(server.base_url, server.api_key)
