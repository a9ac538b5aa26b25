"""The LangChain retriever for Reka's retrieval datasets."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, ClassVar, Final

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
from pydantic import ConfigDict, Field, field_validator, model_validator
from typing_extensions import Self

import reka
from langchain_reka.answers import PROVIDER
from langchain_reka.connection import ClientMixin
from langchain_reka.errors import translate_errors
from langchain_reka.parameters import refuse_unknown, refuse_unknown_in_call
from langchain_reka.retrieval import contents
from langchain_reka.retrieval.search import Found, Search, find
from reka.adapters import MAX_SEARCH_CHUNKS, RETRIEVED_CHUNKS, documents_of_files, metadata_filter

_OF_CALL: Final = ("k", "filter", "min_score", "mode")


class RekaRetriever(ClientMixin, BaseRetriever):
    """Retrieves the documents of a dataset, or passages of them, that are most relevant to a query.

    `from_documents`, `from_texts` and `from_files`, and their async twins, make a dataset hold what they are given and
    nothing else: what is equal stays, what differs is replaced, and what is not given any more is deleted. That takes a
    server with documents, such as the embedded one. On any other host, `from_documents` and metadata are refused;
    texts and files alone become a dataset of another name for each content, as by `reka.ensure_dataset`, of which
    passages come back. To add documents to others, use `RekaVectorStore`.

    Equal documents that are found by different queries are equal: scores are no part of them, unless `with_scores`.

    Raises:
        AuthError: The API key is missing, or the server rejects it.
        InvalidArgumentError: An argument of a call is unknown or invalid.
        UnsupportedRequestError: The server cannot filter, or has no documents; the error names what else there is.
        RetrievalError: The dataset does not exist, or is not prepared; the error names the commands that prepare it.
        RekaError: Any other failure; see `reka.errors`.

    Examples:
        >>> from langchain_reka import RekaRetriever
        >>> retriever = RekaRetriever(dataset="manual", k=4, base_url="local")
    """

    # Validation errors do not show input: the value of a misspelt argument may be the API key.
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    dataset: str = Field(min_length=1)
    """Stored name of the dataset."""

    k: int = Field(default=RETRIEVED_CHUNKS, ge=1, le=MAX_SEARCH_CHUNKS)
    """Maximum number of documents per call; a call may override it: `retriever.invoke(question, k=3)`."""

    filter: dict[str, Any] | None = None
    """Condition on the metadata of the documents, such as `{"lang": "de", "year": {"$gte": 2020}}`, with the operators
    of `Reka.delete_documents`. A call may give another in its place; None searches all documents."""

    min_score: float | None = None
    """Minimum score; documents with a lower score, or without one, are dropped. None keeps all documents. A call may
    override it."""

    mode: reka.RetrievalMode = "hybrid"
    """How passages are found: by words and by meaning, or by one of the two (`keyword`, `vector`). A call may override
    it."""

    whole_documents: bool = False
    """Whether documents come back whole, as they were given, each once; else their passages that fit do.
    `from_documents` and `from_texts` set it, as LangChain's documents are split before; the server splits files."""

    with_scores: bool = False
    """Whether the metadata of what is found has its `score`, `similarity` and `rank` too, which depend on the query."""

    @model_validator(mode="before")
    @classmethod
    def _check_argument_names(cls, values: Any) -> Any:
        refuse_unknown(cls, values)
        return values

    @field_validator("filter")
    @classmethod
    def _check_filter(cls, condition: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if condition is None else metadata_filter(condition, "filter")

    @classmethod
    def from_documents(cls, documents: Iterable[Document], *, dataset: str, **parameters: Any) -> Self:
        """Create a retriever over documents, and make the dataset hold these and no others.

        Args:
            documents: They come back with their text, metadata (JSON values) and id; a document without an id gets one
                by its content. The `source` in the metadata names the text to people and to the model. Documents
                without any text are left out.
            dataset: Name of the dataset, which is made if it is not there.
            **parameters: Arguments of the constructor.

        Raises:
            InvalidArgumentError: No document has a text, or two that differ have one id.
            UnsupportedRequestError: The server's datasets are not made of documents.
            DatasetError: The server refused a document.
            RetrievalError: The preparation failed.
        """
        retriever = cls(**{"dataset": dataset, "whole_documents": True, **parameters})
        with translate_errors():
            retriever._fill(contents.of_documents(documents))
        return retriever

    @classmethod
    async def afrom_documents(cls, documents: Iterable[Document], *, dataset: str, **parameters: Any) -> Self:
        """Async twin of `from_documents`."""
        retriever = cls(**{"dataset": dataset, "whole_documents": True, **parameters})
        with translate_errors():
            await retriever._afill(contents.of_documents(documents))
        return retriever

    @classmethod
    def from_texts(
        cls,
        texts: Mapping[str, str] | Iterable[str],
        metadatas: Sequence[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str] | None = None,
        dataset: str,
        **parameters: Any,
    ) -> Self:
        """Create a retriever over texts, and make the dataset hold these and no others.

        Args:
            texts: Texts by name, which is their id and source; or a list of texts.
            metadatas: Metadata of each text.
            ids: Ids of the texts of a list.
            dataset: As in `from_documents`.
            **parameters: As in `from_documents`.
        """
        retriever = cls(**{"dataset": dataset, "whole_documents": True, **parameters})
        with translate_errors():
            retriever._fill(contents.of_texts(texts, metadatas, ids))
        return retriever

    @classmethod
    async def afrom_texts(
        cls,
        texts: Mapping[str, str] | Iterable[str],
        metadatas: Sequence[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str] | None = None,
        dataset: str,
        **parameters: Any,
    ) -> Self:
        """Async twin of `from_texts`."""
        retriever = cls(**{"dataset": dataset, "whole_documents": True, **parameters})
        with translate_errors():
            await retriever._afill(contents.of_texts(texts, metadatas, ids))
        return retriever

    @classmethod
    def from_files(
        cls, files: str | PathLike[str] | Sequence[str | PathLike[str]], *, dataset: str, **parameters: Any
    ) -> Self:
        """Create a retriever over passages of text files, and make the dataset hold these and no others.

        Args:
            files: A folder, a file, or a list of text files. Their names, below the folder, are their ids and sources.
            dataset: As in `from_documents`.
            **parameters: As in `from_documents`.
        """
        retriever = cls(dataset=dataset, **parameters)
        with translate_errors():
            retriever._fill(documents_of_files(files))
        return retriever

    @classmethod
    async def afrom_files(
        cls, files: str | PathLike[str] | Sequence[str | PathLike[str]], *, dataset: str, **parameters: Any
    ) -> Self:
        """Async twin of `from_files`; the files are read in a thread."""
        retriever = cls(dataset=dataset, **parameters)
        with translate_errors():
            await retriever._afill(await asyncio.to_thread(documents_of_files, files))
        return retriever

    def _fill(self, documents: Iterable[reka.Document]) -> None:
        self.dataset = self._take(self._datasets().fill(self.dataset, documents))

    async def _afill(self, documents: Iterable[reka.Document]) -> None:
        self.dataset = await self._atake(self._datasets().fill(self.dataset, documents))

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        return LangSmithRetrieverParams(ls_retriever_name=PROVIDER, ls_vector_store_provider=PROVIDER)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **of_call: Any
    ) -> list[Document]:
        with translate_errors(self.dataset):
            found = self._take(find(self._datasets(), self._search(query, of_call)))
        return self._to_documents(found, of_call)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **of_call: Any
    ) -> list[Document]:
        with translate_errors(self.dataset):
            found = await self._atake(find(self._datasets(), self._search(query, of_call)))
        return self._to_documents(found, of_call)

    def _search(self, query: str, of_call: Mapping[str, Any]) -> Search:
        unknown = {name: value for name, value in of_call.items() if name not in _OF_CALL}
        refuse_unknown_in_call("a call of RekaRetriever", unknown, _OF_CALL)
        k, condition, mode = (self._value(name, of_call) for name in ("k", "filter", "mode"))
        return Search(query, self.dataset, k, condition, mode, self.whole_documents)

    def _value(self, name: str, of_call: Mapping[str, Any]) -> Any:
        """Return an argument of the call, or that of the constructor if the call does not give it."""
        value = of_call.get(name)
        return getattr(self, name) if value is None else value

    def _to_documents(self, found: Sequence[Found], of_call: Mapping[str, Any]) -> list[Document]:
        min_score = self._value("min_score", of_call)
        documents = []
        for rank, one in enumerate(found, start=1):
            if min_score is not None and (one.score is None or one.score < min_score):
                continue
            if (source := one.chunk.get("source")) is not None:
                one.document.metadata.setdefault("source", source)
            if self.with_scores:
                one.document.metadata.update(_scores(one.chunk, rank))
            documents.append(one.document)
        return documents


def _scores(chunk: reka.RetrievedChunk, rank: int) -> dict[str, Any]:
    fields: dict[str, Any] = {**chunk}
    return {name: fields[name] for name in ("score", "similarity") if name in fields} | {"rank": rank}
