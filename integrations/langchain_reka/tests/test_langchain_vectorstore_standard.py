"""LangChain's standard suite for vector stores, whole, over the embedded server and on a host without documents."""

from collections.abc import Iterator

import pytest
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests
from pydantic import SecretStr

from langchain_reka import RekaVectorStore
from tests.support.clients import KEY
from tests.support.strict_datasets import StrictDatasets


class TestVectorStore(VectorStoreIntegrationTests):
    """The suite over the embedded server."""

    @pytest.fixture
    def vectorstore(self, embedded: str) -> Iterator[VectorStore]:
        store = RekaVectorStore(dataset="suite", base_url=embedded)
        yield store
        store.delete()
        store.close()


class TestOnAHostWithoutDocuments(VectorStoreIntegrationTests):
    """The suite on a host whose datasets are replaced as a whole."""

    @pytest.fixture
    def vectorstore(self) -> Iterator[VectorStore]:
        with StrictDatasets() as host:
            store = RekaVectorStore(dataset="suite", base_url=host.url, api_key=SecretStr(KEY))
            yield store
            store.close()
