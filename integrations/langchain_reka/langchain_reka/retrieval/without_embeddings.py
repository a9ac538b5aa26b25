"""What a vector store is whose server computes the vectors."""

from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from typing_extensions import Self

import reka

_BY_TEXT: Final = "this store searches by text, as the server computes the vectors: use similarity_search"


class StoreWithoutEmbeddings(VectorStore):
    """A vector store that is made of texts alone, and searched by text alone."""

    @property
    def embeddings(self) -> Embeddings | None:
        """None: the server computes the vectors."""
        return None

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Create a store and add texts to what its dataset holds.

        Args:
            texts: The texts.
            embedding: None; the server computes the vectors.
            metadatas: Metadata of each text.
            ids: Ids of the texts.
            **kwargs: Arguments of the constructor, such as `dataset`.

        Raises:
            InvalidArgumentError: `embedding` is given, or the texts do not match `metadatas` and `ids`.
        """
        store = cls._without_embedding(embedding, kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    async def afrom_texts(
        cls,
        texts: Iterable[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Async twin of `from_texts`."""
        store = cls._without_embedding(embedding, kwargs)
        await store.aadd_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Document],
        embedding: Embeddings | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Create a store and add documents to what its dataset holds; see `from_texts`."""
        store = cls._without_embedding(embedding, kwargs)
        store.add_documents(list(documents), ids=ids)
        return store

    @classmethod
    async def afrom_documents(
        cls,
        documents: Iterable[Document],
        embedding: Embeddings | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Async twin of `from_documents`."""
        store = cls._without_embedding(embedding, kwargs)
        await store.aadd_documents(list(documents), ids=ids)
        return store

    @classmethod
    def _without_embedding(cls, embedding: object, parameters: dict[str, Any]) -> Self:
        if embedding is not None:
            raise reka.InvalidArgumentError(
                f"embedding: got {type(embedding).__name__}, want None: the server computes the vectors of a dataset"
            )
        return cls(**parameters)

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> NoReturn:
        """Raise `NotImplementedError`: the server searches by text."""
        raise NotImplementedError(_BY_TEXT)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> NoReturn:
        """Raise `NotImplementedError`: the server searches by text."""
        raise NotImplementedError(_BY_TEXT)

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return _same


def _same(score: float) -> float:
    return score
