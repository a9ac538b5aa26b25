"""Reka's retrieval datasets as a LangChain retriever."""

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
    """Finds the passages of a prepared dataset that fit a question best.

    `from_documents`, `from_texts` and `from_files` make such a dataset, as `reka.ensure_dataset` does.

    Raises, when it is called:
        AuthError: There is no key, or the server does not take it.
        RetrievalError: There is no such dataset, or it is not prepared; the error names the commands that mend it.
        RekaError: The call failed otherwise: see `reka`'s own errors.

    Example:
        >>> from langchain_reka import RekaRetriever
        >>> retriever = RekaRetriever(dataset="manual", k=4, base_url="local")
    """

    # Errors do not show what was given: under a mistyped name, it may be the key.
    model_config = ConfigDict(extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    dataset: str = Field(min_length=1)
    """Name of the dataset, as the server stores it."""

    k: int = Field(default=RETRIEVED_CHUNKS, ge=1, le=MAX_RETRIEVED_CHUNKS)
    """The most documents that a call gives; a call may say otherwise: `retriever.invoke(question, k=3)`."""

    min_score: float | None = None
    """Documents that score less are left out, and so are those without a score; None leaves out none."""

    @model_validator(mode="before")
    @classmethod
    def _names_are_known(cls, given: Any) -> Any:
        refuse_unknown(cls, given)
        return given

    @classmethod
    def from_documents(cls, documents: Sequence[Document], *, dataset: str, **parameters: Any) -> Self:
        """Make a dataset of documents' texts, if there is none with just these, and a retriever of it.

        Args:
            documents: Each one's `source`, if its metadata have one, names its text: a path's root, drive and `..` are
                taken off, for a dataset's names are relative. Other metadata are not kept, for a dataset holds texts.
            dataset: What to call it; the stored name ends in a hash of the content.
            **parameters: Of the retriever.

        Raises:
            InvalidArgumentError: There is no text.
            DatasetError: The server refused the texts.
            RetrievalError: They could not be prepared.
        """
        texts: dict[str, str] = {}
        for number, document in enumerate(documents, start=1):
            source = _relative(str(document.metadata.get("source") or document.id or "")) or f"{number:05}.txt"
            # Documents that were split of one source become one text again.
            texts[source] = f"{texts[source]}\n\n{document.page_content}" if source in texts else document.page_content
        return cls._ensured(dataset, parameters, texts=texts)

    @classmethod
    def from_texts(cls, texts: Mapping[str, str] | Sequence[str], *, dataset: str, **parameters: Any) -> Self:
        """Make a dataset of texts, if there is none with just these, and a retriever of it.

        Args:
            texts: Texts by name, or a list of texts.
            dataset: As in `from_documents`.
            **parameters: As in `from_documents`.
        """
        return cls._ensured(dataset, parameters, texts=texts)

    @classmethod
    def from_files(
        cls,
        files: str | PathLike[str] | Sequence[str | PathLike[str]],
        *,
        dataset: str,
        **parameters: Any,
    ) -> Self:
        """Make a dataset of text files, if there is none with just these, and a retriever of it.

        Args:
            files: A folder, a file, or a list of text files.
            dataset: As in `from_documents`.
            **parameters: As in `from_documents`.
        """
        return cls._ensured(dataset, parameters, files=files)

    @classmethod
    def _ensured(cls, dataset: str, parameters: dict[str, Any], **contents: Any) -> Self:
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
        return self._documents(chunks)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        with translate_errors(self.dataset):
            chunks = await self._clients.aio(self._settings()).retrieve(
                query, self.dataset, k=self.k if k is None else k
            )
        return self._documents(chunks)

    def _documents(self, chunks: Sequence[reka.RetrievedChunk]) -> list[Document]:
        found = [document_from_chunk(chunk, self.dataset, rank) for rank, chunk in enumerate(chunks, start=1)]
        least = self.min_score
        if least is None:
            return found
        return [document for document in found if _score(document) >= least]


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


def _relative(source: str) -> str:
    """A source as a dataset may have it: a relative path with / and without .. and control characters, or a URL."""
    printable = "".join(character if character.isprintable() else " " for character in source)
    parts = re.sub(r"^[A-Za-z]:", "", printable).replace("\\", "/").split("/")
    return "/".join(part for part in parts if part != "..").lstrip("/")


def _document_id(dataset: str, chunk: reka.RetrievedChunk) -> str:
    identity = json.dumps([dataset, chunk.get("source"), chunk["text"]])
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _score(document: Document) -> float:
    score = document.metadata.get("score")
    return float(score) if isinstance(score, int | float) else float("-inf")
