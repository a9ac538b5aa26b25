"""LangChain's standard suite for vector stores, whole, over the embedded server."""

from collections.abc import Iterator

import pytest
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from langchain_reka import RekaVectorStore


class TestVectorStore(VectorStoreIntegrationTests):
    """The suite."""

    @pytest.fixture
    def vectorstore(self, embedded: str) -> Iterator[VectorStore]:
        store = RekaVectorStore(dataset="suite", base_url=embedded)
        yield store
        store.delete()
        store.close()
