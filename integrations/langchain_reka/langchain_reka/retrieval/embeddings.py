"""Embeddings of a server's embedder, as LangChain has them."""

from typing import Any, ClassVar

from langchain_core.embeddings import Embeddings
from pydantic import ConfigDict, model_validator

from langchain_reka.connection import ClientMixin
from langchain_reka.errors import translate_errors
from langchain_reka.parameters import refuse_unknown


class RekaEmbeddings(ClientMixin, Embeddings):
    """Embeds texts by what embeds datasets on the server where they live, for vector stores of your own.

    A `RekaVectorStore` needs none: its server embeds. The embedded server has an embedder, and so has `reka serve`;
    Reka's host has none, and raises `NotFoundError`.

    Calls raise:
        AuthError: The API key is missing, or the server rejects it.
        InvalidArgumentError: A text is blank.
        NotFoundError: The server embeds no texts, or not by this model.
        RekaError: Any other failure; see `reka.errors`.

    Examples:
        >>> from langchain_reka import RekaEmbeddings
        >>> vector = RekaEmbeddings(base_url="local").embed_query("What is a monad?")
    """

    # Validation errors do not show input: the value of a misspelt argument may be the API key.
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    model: str | None = None
    """Name of the embedder; None for the server's own."""

    @model_validator(mode="before")
    @classmethod
    def _check_argument_names(cls, values: Any) -> Any:
        refuse_unknown(cls, values)
        return values

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts; many are sent in several requests."""
        with translate_errors():
            return self.clients.sync(self._settings()).embed(texts, model=self.model)

    def embed_query(self, text: str) -> list[float]:
        """Embed a query, as a text is embedded."""
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Async twin of `embed_documents`."""
        with translate_errors():
            return await self.clients.aio(self._settings()).embed(texts, model=self.model)

    async def aembed_query(self, text: str) -> list[float]:
        """Async twin of `embed_query`."""
        return (await self.aembed_documents([text]))[0]
