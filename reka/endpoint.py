"""Where a call goes: the one place where key and address are looked up."""

import os
import sys
from pathlib import Path
from typing import Final

from reka._lazy import IMPORTING
from reka._protocol.addresses import Secret, checked_key, normalised_url
from reka._protocol.constants import API_URL
from reka._record import record
from reka.config import LOCAL
from reka.errors import APIConnectionError, AuthError, InvalidArgumentError

AUTO: Final = "auto"
"""Place of datasets: the host, with one clear error if it turns out to have none."""

HOST: Final = "host"
"""Place of datasets: the host. The other places are those of an embedded server: `local`, `local:PATH`."""


@record
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
    address = checked_address(_address(base_url))
    if is_local(address):
        return _local_server(address, "base_url")
    key = _key(api_key)
    if not key:
        raise AuthError(
            'no API key: set it in code, `reka.API_KEY = "..."`, or in the environment, `export REKA_API_KEY=...` '
            '(with `reka.BASE_URL = "local"` none is needed, and `reka serve` takes any until keys are created for it)'
        )
    return Server(address, checked_key(key, "api_key"))


def address_and_key(api_key: str | None = None, base_url: str | None = None) -> tuple[str, str]:
    """Find address and key of a call, as in `current_server`, without starting a server or requiring a key.

    Returns:
        The address, `local` or `local:PATH` for an embedded server, and the key; empty if there is none, or if it is
        not used.
    """
    address = _address(base_url)
    return (address, "") if is_local(base_url) else (normalised_url(address), _key(api_key) or "")


def known_server(api_key: str | None = None, base_url: str | None = None) -> Server | None:
    """Find the server of a call as `current_server` does; None if there is none, or an embedded one does not run."""
    address = _address(base_url)
    try:
        if not is_local(address):
            return current_server(api_key, base_url)
        # The module is there in part while another thread imports it.
        find = getattr(sys.modules.get("reka.server.embedded"), "running_server", None)
        running = None if find is None else find(local_folder(address))
    except (AuthError, InvalidArgumentError):
        return None
    return None if running is None else Server(running.base_url, Secret(running.api_key), is_embedded=True)


def is_local(base_url: str | None) -> bool:
    """Whether a call with this `base_url` goes to the server embedded in this process."""
    address = _address(base_url)
    return isinstance(address, str) and (address == LOCAL or address.startswith(f"{LOCAL}:"))


def current_place(datasets: str | None = None, base_url: str | None = None) -> str:
    """Find where the datasets of a call live, now.

    Args:
        datasets: The place if the caller gave one; else the environment's REKA_DATASETS, else `auto`.
        base_url: As in `current_server`.

    Returns:
        `auto`, `host`, or the address of an embedded server; `host` if this is the host itself.

    Raises:
        InvalidArgumentError: The environment names no place.
    """
    place = datasets or checked_place(environment("REKA_DATASETS") or AUTO, "REKA_DATASETS")
    return HOST if is_local(base_url) and place in (LOCAL, _address(base_url)) else place


def checked_address(address: object) -> str:
    """Validate a `base_url` argument, without looking up or starting a server.

    Raises:
        InvalidArgumentError: It is neither an http(s) URL nor `local`. The message shows no password.
    """
    if not isinstance(address, str):
        raise InvalidArgumentError(f"base_url: got {type(address).__name__}, want a string")
    return address if is_local(address) else normalised_url(address)


def checked_place(place: str, argument: str) -> str:
    """Validate a place of datasets.

    Raises:
        InvalidArgumentError: It is none.
    """
    if not isinstance(place, str) or not (place in (AUTO, HOST) or (place and is_local(place))):
        raise InvalidArgumentError(f"{argument}: got {place!r}, want 'auto', 'host', 'local' or 'local:PATH'")
    return place


def dataset_server(place: str) -> Server:
    """Find the embedded server of a place that is one; start it if needed.

    Raises:
        InvalidArgumentError: It cannot be started.
        APIConnectionError: Another process holds its folder.
    """
    return _local_server(place, "datasets")


def current_address() -> str:
    """Find the address of the module-level functions, now."""
    return _address(None)


def _address(base_url: str | None) -> str:
    return base_url or _attribute("BASE_URL", "_SERVER") or environment("REKA_BASE_URL", "REKA_SERVER") or API_URL


def _key(api_key: str | None) -> str | None:
    key = api_key or _attribute("API_KEY") or environment("REKA_API_KEY")
    return Secret(key) if isinstance(key, str) else key


def _attribute(*names: str) -> str | None:
    """Read a module-level setting as it stands now: the first that is set in `reka`, or in `reka.v2`, if loaded."""
    modules = [vars(module) for name in ("reka", "reka.v2") if (module := sys.modules.get(name)) is not None]
    return next((value for module in modules for name in names if (value := module.get(name))), None)


def environment(*names: str) -> str | None:
    """Read the first of some environment variables that is set."""
    return next((value for name in names if (value := os.environ.get(name))), None)


def _local_server(address: str, argument: str) -> Server:
    try:
        with IMPORTING:
            from reka.server.embedded import local_server
    except ImportError as error:
        raise InvalidArgumentError(
            f"{argument}: {address!r} starts a server in this process, which needs more packages ({error.name} is "
            "missing): install this package with the extra `server`, reka[server]"
        ) from error
    try:
        server = local_server(local_folder(address))
    except (InvalidArgumentError, APIConnectionError) as error:
        raise type(error)(f"{argument}: {error.message}") from error.__cause__
    return Server(server.base_url, Secret(server.api_key), is_embedded=True)


def local_folder(address: str) -> Path | None:
    """Read the data folder out of the address of an embedded server; None for its default."""
    folder = address.removeprefix(LOCAL).removeprefix(":")
    return Path(folder) if folder else None
