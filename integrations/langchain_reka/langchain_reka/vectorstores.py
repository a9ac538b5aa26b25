"""The LangChain vector store over Reka's retrieval datasets."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final
from unicodedata import category
from uuid import uuid4

from langchain_core.documents import Document
from pydantic import ConfigDict, Field, field_validator, model_validator

import reka
from langchain_reka.connection import ClientMixin
from langchain_reka.errors import translate_errors
from langchain_reka.parameters import refuse_unknown, refuse_unknown_in_call
from langchain_reka.retrieval import contents
from langchain_reka.retrieval.diversity import most_diverse
from langchain_reka.retrieval.search import Found, Search, find_at_least, stored_document
from langchain_reka.retrieval.without_embeddings import StoreWithoutEmbeddings
from reka.adapters import Steps, if_there

_K: Final = 4
"""Documents that LangChain's vector stores return by default."""

_FETCH_K: Final = 20
"""Documents that LangChain's vector stores choose the most diverse of, by default."""

_PUNCTUATION: Final = "-_.+@"
"""What names of datasets have besides letters and digits."""

_CHANGED: Final = re.compile(r"^[-_.@]|[-_.@]$|\.\.|__")
"""Where the server leaves punctuation out of a name."""

_OF_SEARCH: Final = ("k", "filter", "mode")


class RekaVectorStore(ClientMixin, StoreWithoutEmbeddings):
    """A dataset as a vector store: documents are added, replaced by id, deleted, got and searched.

    The server computes the vectors, so there are no embeddings to give. It needs a server with documents, such as the
    embedded one. A dataset that does not exist is an empty store; the first documents make it.

    Searches take `filter`, a condition on metadata such as `{"lang": "de", "year": {"$gte": 2020}}`, and `mode`
    (`hybrid`, `keyword` or `vector`), and refuse other arguments that they do not know. Scores are from 0 to 1, higher
    ones fit better.

    Raises:
        AuthError: The API key is missing, or the server rejects it.
        InvalidArgumentError: An argument of a call is unknown or invalid, or a document has no text.
        UnsupportedRequestError: The server's datasets are not made of documents; the error names the ways out.
        DatasetError: The server refused a document.
        RekaError: Any other failure; see `reka.errors`.

    Examples:
        >>> from langchain_reka import RekaVectorStore
        >>> store = RekaVectorStore(dataset="notes", base_url="local")
    """

    # Validation errors do not show input: the value of a misspelt argument may be the API key.
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    dataset: str = Field(min_length=1)
    """Name of the dataset: letters and digits of any script, and `-_.+@`. The server would store another name under one
    that this program would not find again."""

    whole_documents: bool = True
    """Whether documents come back whole, each once; else their passages that fit do, with ids of their own."""

    @field_validator("dataset")
    @classmethod
    def _check_dataset(cls, name: str) -> str:
        if any(char not in _PUNCTUATION and category(char)[0] not in "LMN" for char in name) or _CHANGED.search(name):
            raise ValueError(
                f"got {name!r}, want letters, digits and single {_PUNCTUATION} between them: the server would change it"
            )
        return name

    @model_validator(mode="before")
    @classmethod
    def _check_argument_names(cls, values: Any) -> Any:
        refuse_unknown(cls, values)
        return values

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts, each of which replaces the document with its id; see `add_documents`."""
        with translate_errors():
            documents = contents.with_metadata(texts, metadatas, ids)
        return self.add_documents(documents, **kwargs)

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Async twin of `add_texts`."""
        with translate_errors():
            documents = contents.with_metadata(texts, metadatas, ids)
        return await self.aadd_documents(documents, **kwargs)

    def add_documents(
        self, documents: list[Document], ids: Sequence[str | None] | None = None, **kwargs: Any
    ) -> list[str]:
        """Add documents, each of which replaces the one with its id; they can be found when this returns.

        Args:
            documents: The documents. Those without an id get one.
            ids: Ids to use in place of those of the documents.
            **kwargs: `batch_size`, which has no effect: the client makes batches of its own.

        Returns:
            The ids of the documents.
        """
        with translate_errors():
            given = _to_put(documents, ids, kwargs)
            self.dataset = self._take(self._datasets().put(self.dataset, given))
        return [document["id"] for document in given]

    async def aadd_documents(
        self, documents: list[Document], ids: Sequence[str | None] | None = None, **kwargs: Any
    ) -> list[str]:
        """Async twin of `add_documents`."""
        with translate_errors():
            given = _to_put(documents, ids, kwargs)
            self.dataset = await self._atake(self._datasets().put(self.dataset, given))
        return [document["id"] for document in given]

    def delete(
        self,
        ids: list[str] | None = None,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002  # its name in the API
        **kwargs: Any,
    ) -> bool:
        """Delete documents by id, by a condition on their metadata, or all of them with the dataset.

        Args:
            ids: Ids of documents; those that are not there are ignored.
            filter: A condition on metadata. Without it and `ids`, the dataset is deleted.
            **kwargs: None is known.

        Returns:
            True: what was to be deleted is not there any more.
        """
        with translate_errors():
            refuse_unknown_in_call("delete", kwargs, ("ids", "filter"))
            self._take(self._deletion(ids, filter))
        return True

    async def adelete(
        self,
        ids: list[str] | None = None,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002  # its name in the API
        **kwargs: Any,
    ) -> bool:
        """Async twin of `delete`."""
        with translate_errors():
            refuse_unknown_in_call("adelete", kwargs, ("ids", "filter"))
            await self._atake(self._deletion(ids, filter))
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Get documents in the order of their ids; those that are not there are left out."""
        with translate_errors():
            found = self._take(if_there(self._datasets().get(self.dataset, ids), []))
        return [stored_document(document) for document in found]

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Async twin of `get_by_ids`."""
        with translate_errors():
            found = await self._atake(if_there(self._datasets().get(self.dataset, ids), []))
        return [stored_document(document) for document in found]

    def similarity_search(self, query: str, k: int = _K, **kwargs: Any) -> list[Document]:
        """Return the documents that fit a query best.

        Args:
            query: The query, in natural language.
            k: Number of documents. If fewer fit, those that do not come last, with low scores; `RekaRetriever` leaves
                them out.
            **kwargs: `filter` and `mode`.
        """
        return [one.document for one in self._find("similarity_search", query, k, kwargs)]

    async def asimilarity_search(self, query: str, k: int = _K, **kwargs: Any) -> list[Document]:
        """Async twin of `similarity_search`."""
        return [one.document for one in await self._afind("asimilarity_search", query, k, kwargs)]

    def similarity_search_with_score(self, query: str, k: int = _K, **kwargs: Any) -> list[tuple[Document, float]]:
        """Return the documents that fit a query best, with their scores from 0 to 1; higher ones fit better."""
        return _with_scores(self._find("similarity_search_with_score", query, k, kwargs))

    async def asimilarity_search_with_score(
        self, query: str, k: int = _K, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Async twin of `similarity_search_with_score`."""
        return _with_scores(await self._afind("asimilarity_search_with_score", query, k, kwargs))

    def max_marginal_relevance_search(
        self, query: str, k: int = _K, fetch_k: int = _FETCH_K, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Return documents that fit a query and differ from each other.

        The server does not send vectors: two documents are as alike as the words that they have in common.

        Args:
            query: The query, in natural language.
            k: Maximum number of documents.
            fetch_k: Number of documents to choose from.
            lambda_mult: 1 chooses by fit alone, 0 by difference alone.
            **kwargs: `filter` and `mode`.
        """
        found = self._find("max_marginal_relevance_search", query, max(k, fetch_k), kwargs, least=k)
        return [one.document for one in most_diverse(found, k, lambda_mult)]

    async def amax_marginal_relevance_search(
        self, query: str, k: int = _K, fetch_k: int = _FETCH_K, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Async twin of `max_marginal_relevance_search`."""
        found = await self._afind("amax_marginal_relevance_search", query, max(k, fetch_k), kwargs, least=k)
        return [one.document for one in most_diverse(found, k, lambda_mult)]

    def _find(self, call: str, query: str, k: int, of_call: Mapping[str, Any], least: int | None = None) -> list[Found]:
        with translate_errors(self.dataset):
            return self._take(self._finding(self._search(call, query, k, of_call), least))

    async def _afind(
        self, call: str, query: str, k: int, of_call: Mapping[str, Any], least: int | None = None
    ) -> list[Found]:
        with translate_errors(self.dataset):
            return await self._atake(self._finding(self._search(call, query, k, of_call), least))

    def _finding(self, search: Search, least: int | None) -> Steps[list[Found]]:
        return if_there(find_at_least(self._datasets(), search, search.k if least is None else least), [])

    def _deletion(self, ids: Iterable[str] | None, condition: Mapping[str, Any] | None) -> Steps[object]:
        if ids is None and condition is None:
            return if_there(self._datasets().drop(self.dataset), None)
        return if_there(self._datasets().delete(self.dataset, ids, condition), None)

    def _search(self, call: str, query: str, k: int, of_call: Mapping[str, Any]) -> Search:
        unknown = {name: value for name, value in of_call.items() if name not in _OF_SEARCH}
        refuse_unknown_in_call(call, unknown, _OF_SEARCH)
        mode: reka.RetrievalMode = of_call.get("mode") or "hybrid"
        return Search(query, self.dataset, k, of_call.get("filter"), mode, self.whole_documents)


def _to_put(
    documents: Sequence[Document], ids: Sequence[str | None] | None, unknown: Mapping[str, Any]
) -> list[reka.Document]:
    # `langchain_core.indexing.index` passes its `batch_size` on; the client makes batches of its own.
    unknown = {name: value for name, value in unknown.items() if name != "batch_size"}
    refuse_unknown_in_call("add_documents", unknown, ("ids", "batch_size"))
    if ids is not None and len(ids) != len(documents):
        raise reka.InvalidArgumentError(f"ids: got {len(ids)}, want {len(documents)}, one for each document")
    own = ids or [document.id for document in documents]
    return [
        contents.to_reka(document, document_id or str(uuid4()))
        for document, document_id in zip(documents, own, strict=True)
    ]


def _with_scores(found: Iterable[Found]) -> list[tuple[Document, float]]:
    pairs = []
    for one in found:
        if one.score is None:
            raise reka.UnsupportedRequestError("the server sends no scores with what it finds; use similarity_search")
        pairs.append((one.document, one.score))
    return pairs
