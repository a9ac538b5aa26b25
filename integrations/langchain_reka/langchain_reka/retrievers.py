"""Reka's retrieval datasets as a LangChain retriever."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import run_in_executor
from pydantic import AliasChoices, ConfigDict, Field, PrivateAttr, SecretStr

import reka
from langchain_reka.connection import Connection, Settings


class RekaRetriever(BaseRetriever):
    """Finds the passages of a prepared dataset that fit a question best.

    `reka.ensure_dataset` makes such a dataset from files or texts.

    Raises, when it is called:
        AuthError: There is no key, or the server does not take it.
        RekaError: There is no such dataset, it is not prepared, or the call failed otherwise: see `reka`'s own errors.

    Example:
        >>> from langchain_reka import RekaRetriever
        >>> retriever = RekaRetriever(dataset="manual", k=4, base_url="local")
    """

    # Errors do not show what was given: under a mistyped name, it may be the key.
    model_config = ConfigDict(extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    dataset: str = Field(min_length=1)
    """Name of the dataset, as the server stores it."""

    k: int = Field(default=8, ge=1, le=100)
    """The most documents that a call gives."""

    api_key: SecretStr | None = Field(default=None, validation_alias=AliasChoices("api_key", "reka_api_key"))
    """The key; None looks at `reka.API_KEY`, then at the environment's REKA_API_KEY, whenever a call is made."""

    base_url: str | None = None
    """The server's address, or `local`; None looks at `reka.BASE_URL`, then at REKA_BASE_URL, then asks Reka itself."""

    timeout: float | None = None
    """Seconds that a call may last; None is the client's default."""

    max_retries: int | None = None
    """How often a failed call is sent again; None is the client's default, 0 never."""

    _connection: Connection = PrivateAttr(default_factory=Connection)

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether `langchain_core.load.dumps` can write this retriever: it can, without the key."""
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Where `langchain_core.load.loads` finds this class."""
        return ["langchain_reka", "retrievers"]

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Fields that are written as the name of an environment variable instead of their value."""
        return {"api_key": "REKA_API_KEY"}

    def close(self) -> None:
        """Close the connections. The next call opens new ones."""
        self._connection.close()

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        settings = Settings(self.api_key, self.base_url, self.timeout, self.max_retries)
        chunks = self._connection.client(settings).retrieve(query, self.dataset, k=self.k if k is None else k)
        return [document_from_chunk(chunk, self.dataset, rank) for rank, chunk in enumerate(chunks, start=1)]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        # The base class's own does the same, but hands no `k` on.
        return await run_in_executor(None, self._get_relevant_documents, query, run_manager=run_manager.get_sync(), k=k)


def document_from_chunk(chunk: reka.RetrievedChunk, dataset: str, rank: int) -> Document:
    """Make the document that stands for a retrieved chunk.

    Args:
        chunk: What the server sent.
        dataset: Name of the dataset it is from.
        rank: Its place among the chunks, from 1, the best.

    Returns:
        The text; as metadata `dataset`, `rank` and every field that the server sent (`source` and `score`, where it
        sends them). The id is the same whenever the same text of the same source is found.
    """
    sent: Mapping[str, Any] = chunk
    metadata = {name: value for name, value in sent.items() if name != "text"} | {"dataset": dataset, "rank": rank}
    return Document(id=_document_id(dataset, chunk), page_content=chunk["text"], metadata=metadata)


def _document_id(dataset: str, chunk: reka.RetrievedChunk) -> str:
    identity = json.dumps([dataset, chunk.get("source"), chunk["text"]])
    return hashlib.sha256(identity.encode()).hexdigest()[:32]
