"""Arguments about the connection to a server that the retriever and the index share."""

from collections.abc import Mapping
from os import PathLike
from typing import Any, TypedDict

from pydantic import SecretStr

import reka
from llamaindex_reka.parameters import refuse_unknown
from reka.adapters import ClientSettings


class Connection(TypedDict, total=False):
    """Arguments about the connection. None, or leaving one out, means the client's default."""

    api_key: str | SecretStr | None
    """The API key; None reads `reka.API_KEY`, then the environment's REKA_API_KEY, at each call."""

    base_url: str | None
    """Address of the server, or `local`; None reads `reka.BASE_URL`, then REKA_BASE_URL, else it is Reka's host."""

    timeout: float | reka.Timeout | None
    """Limit on a call in seconds, or a `reka.Timeout`."""

    max_retries: int | None
    """Number of retries of a failed call; 0 disables retries."""

    datasets: str | None
    """Where datasets live: `host`; `local` or `local:PATH`, the embedded server, over whose passages the host answers;
    or `auto`. None reads REKA_DATASETS, else it is `auto`."""

    headers: Mapping[str, str] | None
    """Headers of each request, added to the client's own."""

    proxies: Mapping[str, str] | None
    """URL of a proxy by scheme (`http`, `https`, `all`); None reads the environment, `{}` uses none."""

    ca_bundle: str | PathLike[str] | None
    """File with the certificates to trust; None reads the environment, else it is certifi's."""

    session: Any
    """`requests.Session` of synchronous calls, used as it is and not closed; None makes one."""

    async_session: Any
    """`aiohttp.ClientSession` of asynchronous calls, of their event loop, used as it is and not closed; None
    makes one."""


def client_settings(connection: Connection, owner: str) -> ClientSettings:
    """Return the client settings of an object.

    Args:
        connection: Its arguments about the connection.
        owner: Name of its class, for errors.

    Raises:
        InvalidArgumentError: An argument is unknown or invalid.
    """
    refuse_unknown(connection, Connection.__annotations__, f"an argument of {owner}", "")
    arguments: dict[str, Any] = dict(connection)
    key = arguments.get("api_key")
    return ClientSettings(**{**arguments, "api_key": key.get_secret_value() if isinstance(key, SecretStr) else key})
