"""The client behind a model or a retriever, opened when it is first needed."""

from dataclasses import dataclass
from threading import Lock
from typing import Any

from pydantic import SecretStr

import reka


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client is opened with. None leaves the choice to the client."""

    api_key: SecretStr | None = None
    base_url: str | None = None
    timeout: float | None = None
    """Seconds."""
    max_retries: int | None = None

    def open(self) -> reka.Reka:
        """Open a client."""
        given: dict[str, Any] = {"timeout": self.timeout, "max_retries": self.max_retries}
        return reka.Reka(
            None if self.api_key is None else self.api_key.get_secret_value(),
            self.base_url,
            **{name: value for name, value in given.items() if value is not None},
        )


class Connection:
    """One client for each set of settings, shared by all threads.

    Pydantic hands a shallow copy the same connection: a copy with the same settings shares the client, and one with
    another key or address gets a client of its own. A deep copy, and what comes out of a pickle, starts unopened,
    because sockets and locks can be neither copied nor pickled.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._clients: dict[Settings, reka.Reka] = {}

    def __reduce__(self) -> tuple[type["Connection"], tuple[()]]:
        """Copy and pickle as a connection that is not opened."""
        return (Connection, ())

    def __eq__(self, other: object) -> bool:
        """Compare equal to any other: pydantic compares private attributes, and what is open is no part of a value."""
        return isinstance(other, Connection)

    def __hash__(self) -> int:
        return hash(Connection)

    def client(self, settings: Settings) -> reka.Reka:
        """Give the client for these settings, opened at the first call."""
        with self._lock:
            if settings not in self._clients:
                self._clients[settings] = settings.open()
            return self._clients[settings]

    def close(self) -> None:
        """Close what is open. The next call opens anew."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()
