"""Embeddings of a server's embedder, as LlamaIndex has them."""

from typing import Any, Final

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from pydantic import PrivateAttr
from typing_extensions import Unpack

from llamaindex_reka.connection import Connection, client_settings
from reka.adapters import ClientSettings, SharedClients

SERVERS_OWN: Final = "the server's own"
"""Name of the model of an object that leaves the choice to the server."""

_BATCH: Final = 256
"""Texts that are embedded at a time, unless the caller says how many (ours)."""


class RekaEmbeddings(BaseEmbedding):
    """Embeds texts by what embeds datasets on the server where they live, for indexes of your own.

    A `RekaIndex` needs none: its server embeds. The embedded server has an embedder, and so has `reka serve`; Reka's
    host has none, and raises `NotFoundError`.

    Args:
        model_name: Name of the embedder; None for the server's own.
        embed_batch_size: Maximum number of texts in a call.
        callback_manager: Callback manager of LlamaIndex; None creates an empty one.
        **connection: `api_key`, `base_url`, `timeout`, `max_retries`, `datasets`, `headers`, `proxies`, `ca_bundle`,
            `session` and `async_session`, as `llamaindex_reka.connection.Connection` describes them.

    Raises:
        InvalidArgumentError: An argument is invalid; the message says which one.

    Calls raise:
        AuthError: The API key is missing, or the server rejects it.
        InvalidArgumentError: A text is blank.
        NotFoundError: The server embeds no texts, or not by this model.
        RekaError: Any other failure; see `reka.errors`.

    Examples:
        >>> from llamaindex_reka import RekaEmbeddings
        >>> vector = RekaEmbeddings(base_url="local").get_query_embedding("What is a monad?")
    """

    _settings: ClientSettings = PrivateAttr()
    _clients: SharedClients = PrivateAttr(default_factory=SharedClients)

    def __init__(
        self,
        model_name: str | None = None,
        *,
        embed_batch_size: int = _BATCH,
        callback_manager: Any = None,
        **connection: Unpack[Connection],
    ) -> None:
        settings = client_settings(connection, "RekaEmbeddings")
        given = {} if callback_manager is None else {"callback_manager": callback_manager}
        super().__init__(model_name=model_name or SERVERS_OWN, embed_batch_size=embed_batch_size, **given)
        self._settings = settings

    @classmethod
    def class_name(cls) -> str:
        """Class name in LlamaIndex's serialized form."""
        return "RekaEmbeddings"

    def close(self) -> None:
        """Close the connections of the sync client. The next call opens new ones."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the same connections as `close`, and those of the running event loop."""
        await self._clients.aclose()

    @property
    def _model(self) -> str | None:
        return None if self.model_name == SERVERS_OWN else self.model_name

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self._clients.sync(self._settings).embed(texts, model=self._model)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await self._clients.aio(self._settings).embed(texts, model=self._model)

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_query_embedding(self, query: str) -> Embedding:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return await self._aget_text_embedding(query)
