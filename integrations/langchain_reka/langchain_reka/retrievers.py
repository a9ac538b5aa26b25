"""The LangChain retriever for Reka's retrieval datasets."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
from pydantic import ConfigDict, Field, model_validator
from typing_extensions import Self

import reka
from langchain_reka.answers import PROVIDER
from langchain_reka.connection import ClientMixin
from langchain_reka.errors import translate_errors
from langchain_reka.parameters import refuse_unknown
from reka.adapters import MAX_RETRIEVED_CHUNKS, RETRIEVED_CHUNKS


class RekaRetriever(ClientMixin, BaseRetriever):
    """Retrieves the passages of a prepared dataset that are most relevant to a query.

    `from_documents`, `from_texts` and `from_files` upload and prepare a dataset, as `reka.ensure_dataset` does.

    Calls raise:
        AuthError: The API key is missing, or the server rejects it.
        RetrievalError: The dataset does not exist, or is not prepared; the error names the commands that prepare it.
        RekaError: Any other failure; see `reka.errors`.

    Example:
        >>> from langchain_reka import RekaRetriever
        >>> retriever = RekaRetriever(dataset="manual", k=4, base_url="local")
    """

    # Validation errors do not show input: the value of a misspelt argument may be the API key.
    model_config = ConfigDict(extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    dataset: str = Field(min_length=1)
    """Stored name of the dataset."""

    k: int = Field(default=RETRIEVED_CHUNKS, ge=1, le=MAX_RETRIEVED_CHUNKS)
    """Maximum number of documents per call; a call may override it: `retriever.invoke(question, k=3)`."""

    min_score: float | None = None
    """Minimum score; documents with a lower score, or without one, are dropped. None keeps all documents."""

    @model_validator(mode="before")
    @classmethod
    def _check_argument_names(cls, values: Any) -> Any:
        refuse_unknown(cls, values)
        return values

    @classmethod
    def from_documents(cls, documents: Sequence[Document], *, dataset: str, **parameters: Any) -> Self:
        """Create a retriever over documents; they are uploaded and prepared unless a dataset with them exists.

        Args:
            documents: The `source` in a document's metadata names its text, as a relative path: root, drive and `..`
                are removed. Other metadata is not kept, because a dataset stores texts only.
            dataset: Label of the dataset; the stored name is the label and a hash of the content.
            **parameters: Arguments of the constructor.

        Raises:
            InvalidArgumentError: All documents are empty, or there are none.
            DatasetError: The server rejected the upload.
            RetrievalError: The preparation failed.
        """
        texts: dict[str, str] = {}
        for number, document in enumerate(documents, start=1):
            source = _relative_source(str(document.metadata.get("source") or document.id or "")) or f"{number:05}.txt"
            # Documents that were split from one source are joined to one text again.
            texts[source] = f"{texts[source]}\n\n{document.page_content}" if source in texts else document.page_content
        return cls._from_contents(dataset, parameters, texts=texts)

    @classmethod
    def from_texts(cls, texts: Mapping[str, str] | Sequence[str], *, dataset: str, **parameters: Any) -> Self:
        """Create a retriever over texts; they are uploaded and prepared unless a dataset with them exists.

        Args:
            texts: Texts by name, or a list of texts.
            dataset: As in `from_documents`.
            **parameters: As in `from_documents`.
        """
        return cls._from_contents(dataset, parameters, texts=texts)

    @classmethod
    def from_files(
        cls,
        files: str | PathLike[str] | Sequence[str | PathLike[str]],
        *,
        dataset: str,
        **parameters: Any,
    ) -> Self:
        """Create a retriever over text files; they are uploaded and prepared unless a dataset with them exists.

        Args:
            files: A folder, a file, or a list of text files.
            dataset: As in `from_documents`.
            **parameters: As in `from_documents`.
        """
        return cls._from_contents(dataset, parameters, files=files)

    @classmethod
    def _from_contents(cls, dataset: str, parameters: dict[str, Any], **contents: Any) -> Self:
        retriever = cls(dataset=dataset, **parameters)
        retriever.dataset = retriever._clients.sync(retriever._settings()).ensure_dataset(dataset, **contents)
        return retriever

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        return LangSmithRetrieverParams(ls_retriever_name=PROVIDER, ls_vector_store_provider=PROVIDER)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        with translate_errors(self.dataset):
            chunks = self._clients.sync(self._settings()).retrieve(query, self.dataset, k=self.k if k is None else k)
        return self._to_documents(chunks)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        with translate_errors(self.dataset):
            chunks = await self._clients.aio(self._settings()).retrieve(
                query, self.dataset, k=self.k if k is None else k
            )
        return self._to_documents(chunks)

    def _to_documents(self, chunks: Sequence[reka.RetrievedChunk]) -> list[Document]:
        documents = [document_from_chunk(chunk, self.dataset, rank) for rank, chunk in enumerate(chunks, start=1)]
        min_score = self.min_score
        if min_score is None:
            return documents
        return [document for document in documents if _score(document) >= min_score]


def document_from_chunk(chunk: reka.RetrievedChunk, dataset: str, rank: int) -> Document:
    """Convert a retrieved chunk to a document.

    Args:
        chunk: The chunk, as received.
        dataset: Stored name of its dataset.
        rank: Its rank among the retrieved chunks; 1 is the best.

    Returns:
        The chunk's text. The metadata has `dataset`, `rank` and every other field of the chunk, such as `source` and
        `score`. The id depends on dataset, source and text only, so it is stable across calls.
    """
    fields: Mapping[str, Any] = chunk
    metadata = {name: value for name, value in fields.items() if name != "text"} | {"dataset": dataset, "rank": rank}
    return Document(id=_document_id(dataset, chunk), page_content=chunk["text"], metadata=metadata)


def _relative_source(source: str) -> str:
    """Convert a source to a name that datasets allow: a URL, or a relative path without `..` and control characters."""
    printable = "".join(character if character.isprintable() else " " for character in source)
    parts = re.sub(r"^[A-Za-z]:", "", printable).replace("\\", "/").split("/")
    return "/".join(part for part in parts if part != "..").lstrip("/")


def _document_id(dataset: str, chunk: reka.RetrievedChunk) -> str:
    identity = json.dumps([dataset, chunk.get("source"), chunk["text"]])
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _score(document: Document) -> float:
    score = document.metadata.get("score")
    return float(score) if isinstance(score, int | float) else float("-inf")
