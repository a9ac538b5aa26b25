"""What servers have said of their models to any client of an adapter in this process, by server and key."""

from typing import Final

from reka._calls.capabilities import HostModels
from reka._protocol.models import model_of, with_table_facts
from reka.adapters.fork_locks import ForkLock
from reka.endpoint import Server
from reka.types import Model

_MAX_SERVERS: Final = 64
"""Servers to remember; programs with many users have a key for each (ours)."""

_lock: Final = ForkLock()
_hosts: Final[dict[tuple[str, str], HostModels]] = {}


def models_of(server: Server) -> HostModels:
    """Return what a server has said of its models; all clients of adapters share it, so that it is asked once."""
    with _lock:
        key = (server.url, server.api_key)
        if key not in _hosts:
            if len(_hosts) >= _MAX_SERVERS:
                del _hosts[next(iter(_hosts))]
            _hosts[key] = HostModels()
        return _hosts[key]


def known_model(name: str, server: Server | None) -> Model | None:
    """Return what is known of a model without asking: what its server has said, else the built-in table's facts.

    The default model, where the server lacks it, is the one that answers in its place.

    Args:
        name: Name of the model.
        server: The server; None knows the table alone.

    Returns:
        The model; None if nothing is known.
    """
    host = None if server is None else _hosts.get((server.url, server.api_key))
    if host is None:
        return model_of(name)
    name = host.replacements.get(name, name)
    model = host.by_name.get(name)
    return model_of(name) if model is None else with_table_facts(model)


def forget() -> None:
    """Forget what servers have said, for programs whose server changes its models; new clients ask again."""
    with _lock:
        _hosts.clear()
