"""How the model and the retriever reach the server: the fields that say so, and the clients behind them."""

from dataclasses import asdict
from typing import Any, Literal

from langchain_core.load.serializable import Serializable
from pydantic import AliasChoices, Field, PrivateAttr, SecretStr

import reka
from reka.adapters import ClientSettings, MaxRetries, SharedClients


class ClientMixin(Serializable):
    """An object of LangChain that asks a server: one client of each kind serves all its calls."""

    api_key: SecretStr | None = Field(default=None, validation_alias=AliasChoices("api_key", "reka_api_key"))
    """The key; None looks at `reka.API_KEY`, then at the environment's REKA_API_KEY, whenever a call is made."""

    base_url: str | None = None
    """The server's address, or `local`; None looks at `reka.BASE_URL`, then at REKA_BASE_URL, then asks Reka itself."""

    timeout: float | reka.Timeout | None = Field(
        default=None, validation_alias=AliasChoices("timeout", "default_request_timeout")
    )
    """Seconds that a call may last, or a `reka.Timeout`; None is the client's default."""

    max_retries: MaxRetries = None
    """How often a failed call is sent again; None is the client's default, 0 never."""

    _clients: SharedClients = PrivateAttr(default_factory=SharedClients)

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether `langchain_core.load.dumps` can write this object: it can, without the key."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Fields that are written as the name of an environment variable instead of their value."""
        return {"api_key": "REKA_API_KEY"}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Fields that are written in another form than they are held in."""
        return {"timeout": asdict(self.timeout)} if isinstance(self.timeout, reka.Timeout) else {}

    def close(self) -> None:
        """Close the connections of this side, and those that `batch` used. The next call opens new ones."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop as well."""
        await self._clients.aclose()

    def _settings(self) -> ClientSettings:
        return self._settings_for("auto")

    def _settings_for(self, api: Literal["auto", "v0", "v1"]) -> ClientSettings:
        key = None if self.api_key is None else self.api_key.get_secret_value()
        return ClientSettings(key, self.base_url, self.timeout, self.max_retries, api)
