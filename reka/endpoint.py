"""Where a call goes: the one place where key and address are looked up."""

import os
import sys
from dataclasses import dataclass

from reka._protocol.addresses import checked_key, normalised_url
from reka._protocol.constants import API_URL
from reka.config import LOCAL
from reka.errors import APIConnectionError, AuthError, InvalidArgumentError


@dataclass(frozen=True, slots=True)
class Server:
    """Where a call goes and the key that opens it."""

    url: str
    api_key: str
    is_embedded: bool = False
    """Whether it runs on this machine, in this process or another one: no proxy stands before it."""

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
        return _local_server(address, "base_url")
    key = api_key or _attribute("API_KEY") or environment("REKA_API_KEY")
    if not key:
        raise AuthError(
            'no API key: set it in code, `reka.API_KEY = "..."`, or in the environment, `export REKA_API_KEY=...` '
            '(with `reka.BASE_URL = "local"` none is needed)'
        )
    return Server(normalised_url(address), checked_key(key, "api_key"))


def is_local(base_url: str | None) -> bool:
    """Whether a call with this `base_url` goes to the server embedded in this process."""
    address = _address(base_url)
    return isinstance(address, str) and (address == LOCAL or address.startswith(f"{LOCAL}:"))


def _address(base_url: str | None) -> str:
    return base_url or _attribute("BASE_URL") or environment("REKA_BASE_URL", "REKA_SERVER") or API_URL


def _attribute(name: str) -> str | None:
    """Read a module-level setting of `reka` as it stands now."""
    value: str | None = getattr(sys.modules["reka"], name, None)
    return value


def environment(*names: str) -> str | None:
    """Read the first of some environment variables that is set."""
    return next((value for name in names if (value := os.environ.get(name))), None)


def _local_server(address: str, argument: str) -> Server:
    try:
        from reka.server.embedded import local_server
    except ImportError as error:
        raise InvalidArgumentError(
            f"{argument}: {address!r} starts a server in this process, which needs more packages ({error.name} is "
            "missing): pip install 'reka[server]'"
        ) from error
    from pathlib import Path

    folder = address.removeprefix(LOCAL).removeprefix(":")
    try:
        server = local_server(Path(folder) if folder else None)
    except (InvalidArgumentError, APIConnectionError) as error:
        raise type(error)(f"{argument}: {error.message}") from error.__cause__
    return Server(server.base_url, server.api_key, is_embedded=True)
