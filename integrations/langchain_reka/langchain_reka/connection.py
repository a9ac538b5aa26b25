"""Connection settings of the model and the retriever, and the clients that they share."""

from dataclasses import asdict
from os import PathLike, fspath
from typing import Any, ClassVar, TypeVar

from langchain_core.load.serializable import Serializable
from pydantic import AliasChoices, ConfigDict, Field, SecretStr, field_validator, model_validator
from typing_extensions import Self

import reka
from reka.adapters import ClientSettings, DocumentDatasets, MaxRetries, Refusals, SharedClients, Steps, atake, take

T = TypeVar("T")


class ClientMixin(Serializable):
    """Connection fields of a LangChain object; one sync and one async client serve all its calls."""

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    api_key: SecretStr | None = Field(default=None, validation_alias=AliasChoices("api_key", "reka_api_key"))
    """The API key; None reads `reka.API_KEY`, then the environment's REKA_API_KEY, at each call."""

    base_url: str | None = None
    """Address of the server, or `local`; None reads `reka.BASE_URL`, then REKA_BASE_URL; else it is Reka's host."""

    timeout: float | reka.Timeout | None = Field(
        default=None, validation_alias=AliasChoices("timeout", "default_request_timeout")
    )
    """Limit on a call in seconds, or a `reka.Timeout`; None is the client's default."""

    max_retries: MaxRetries = None
    """Number of retries of a failed call; None is the client's default, 0 disables retries."""

    datasets: str | None = None
    """Where retrieval datasets live: `host`; `local` or `local:PATH`, the embedded server, while the host answers over
    the passages that it retrieves; `auto`. None reads the environment's REKA_DATASETS, else it is `auto`."""

    headers: dict[str, str] | None = Field(default=None, repr=False, exclude=True)
    """Headers of each request, added to the client's own. Text forms of the object leave them out."""

    proxies: dict[str, str] | None = Field(default=None, repr=False, exclude=True)
    """URL of a proxy by scheme (`http`, `https`, `all`); None reads the environment, `{}` uses none."""

    ca_bundle: str | None = None
    """File with the certificates to trust; None reads the environment, else it is certifi's."""

    session: Any = Field(default=None, repr=False, exclude=True)
    """A `requests.Session` for synchronous calls, used as it is and not closed; None makes one."""

    async_session: Any = Field(default=None, repr=False, exclude=True)
    """An `aiohttp.ClientSession` for asynchronous calls in its event loop, not closed; None makes one for each loop."""

    clients: SharedClients = Field(default_factory=SharedClients, repr=False, exclude=True)
    """The clients of this object and of those that LangChain makes of it for a call (`configurable_fields`), which get
    all fields; so it is no argument of yours."""

    @field_validator("ca_bundle", mode="before")
    @classmethod
    def _path_as_text(cls, path: object) -> object:
        return fspath(path) if isinstance(path, PathLike) else path

    @model_validator(mode="after")
    def _check_settings(self) -> Self:
        self._settings()  # which checks them
        return self

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether `langchain_core.load.dumps` can serialize this object: it can, without the key."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Fields that are serialized as the name of an environment variable, not by value."""
        return {"api_key": "REKA_API_KEY"}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Fields whose serialized form differs from their value."""
        return {"timeout": asdict(self.timeout)} if isinstance(self.timeout, reka.Timeout) else {}

    def close(self) -> None:
        """Close the connections of the sync client and those that `batch` opened. The next call opens new ones."""
        self.clients.close()

    async def aclose(self) -> None:
        """Close the same connections as `close`, and those of the running event loop."""
        await self.clients.aclose()

    def _datasets(self) -> DocumentDatasets:
        return DocumentDatasets(self._settings())

    def _take(self, steps: Steps[T]) -> T:
        return take(steps, self.clients.sync(self._settings()))

    async def _atake(self, steps: Steps[T]) -> T:
        return await atake(steps, self.clients.aio(self._settings()))

    def _settings(self) -> ClientSettings:
        return self._settings_for("auto")

    def _settings_for(
        self, api: reka.Api, form: reka.FormChoice | None = None, refusals: Refusals | None = None
    ) -> ClientSettings:
        return ClientSettings(
            None if self.api_key is None else self.api_key.get_secret_value(),
            self.base_url,
            self.timeout,
            self.max_retries,
            api,
            form,
            self.datasets,
            self.headers,
            self.proxies,
            self.ca_bundle,
            self.session,
            self.async_session,
            refusals,
        )
