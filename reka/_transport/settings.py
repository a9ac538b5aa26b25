"""What both transports are told, and what both do with it before a byte is sent."""

import logging
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Final

import certifi

from reka._calls.call import Call
from reka._protocol.addresses import Secret
from reka._record import record
from reka._telemetry.active import trace_headers
from reka._version import __version__
from reka.errors import InvalidArgumentError
from reka.types import OnEvent, RequestEvent

_LOG: Final = logging.getLogger("reka")
_CA_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@record
class TransportSettings:
    """What both transports are told."""

    headers: Mapping[str, str | None] = field(default_factory=dict)
    """Sent with each request, besides ours; None leaves one of ours out, as with requests."""

    proxies: Mapping[str, str] | None = None
    """URL of a proxy by scheme (`http`, `https`, `all`); None reads the environment."""

    ca_bundle: str | None = None
    """File with the certificates to trust; None reads the environment, else it is the library's own."""

    on_event: OnEvent | None = None

    def request_headers(self, call: Call[Any], key: str, library: str) -> dict[str, str]:
        """Headers of a request, except those of its body.

        Args:
            call: What is sent.
            key: The key; shown as little as what else may be secret, as the libraries keep the values.
            library: Name and version of the HTTP library, for the User-Agent.
        """
        body = {"Content-Type": call.content_type} if isinstance(call.body, bytes) else {}
        agent = f"reka/{__version__} {library}"
        headers: dict[str, Any] = {
            "User-Agent": agent,
            "Accept": "application/json, text/event-stream",
            **body,
            **trace_headers(),
            **self.headers,
            "X-Api-Key": key,
            # Reka's v1 documents this header now, and older pages the other.
            **({"Authorization": Secret(f"Bearer {key}")} if call.path.startswith("/v1/") else {}),
        }
        if None in self.headers.values():
            headers = {name: value for name, value in headers.items() if value is not None}
        if "vcr" in sys.modules and _is_recorded():
            return {name: str(value) for name, value in headers.items()}
        return headers

    def ca_bundle_path(self) -> str:
        """File or folder of trusted certificates; certifi's, if neither the caller nor the environment sets one.

        Raises:
            InvalidArgumentError: The path does not exist.
        """
        if self.ca_bundle:
            return _existing("ca_bundle", self.ca_bundle)
        variable = next((name for name in _CA_VARIABLES if os.environ.get(name)), None)
        return certifi.where() if variable is None else _existing(variable, os.environ[variable])

    def observe(
        self, call: Call[Any], started: float, status: int | None, request_id: str | None, error: str | None
    ) -> None:
        """Tell the log and the caller of a request that has ended."""
        seconds = time.monotonic() - started
        _LOG.debug("%s %s %s in %.3f s", call.method, call.path, status or error, seconds)
        if self.on_event is not None:
            self.on_event(RequestEvent(call.method, call.path, status, seconds, request_id, error, call.form))


def _is_recorded() -> bool:
    """Whether vcrpy records what is sent: it writes YAML, which names the class of a text."""
    from urllib3.connectionpool import HTTPConnectionPool

    return HTTPConnectionPool.ConnectionCls.__module__.startswith("vcr.")


def _existing(name: str, path: str) -> str:
    if not Path(path).exists():
        raise InvalidArgumentError(
            f"{name}: {path!r} does not exist; want a file, or a folder, of trusted certificates"
        )
    return path
