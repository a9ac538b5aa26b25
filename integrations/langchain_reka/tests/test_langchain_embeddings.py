"""Embeddings: LangChain's standard suites over the embedded server, and what else a caller sees."""

import json
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.load import dumps
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests
from pydantic import SecretStr, ValidationError

import reka
from langchain_reka import RekaEmbeddings
from reka.testing import FakeReka
from tests.support.clients import KEY


class TestEmbeddings(EmbeddingsIntegrationTests):
    """The integration suite, against a real server."""

    @pytest.fixture(autouse=True)
    def _server(self, embedded: str) -> None:
        self.address = embedded

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return RekaEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"base_url": self.address}


class TestEmbeddingsUnits(EmbeddingsUnitTests):
    """The unit suite."""

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return RekaEmbeddings

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"REKA_API_KEY": KEY}, {"base_url": "local"}, {"base_url": "local", "model": None}


async def test_a_vector_store_of_langchain_finds_by_them(embedded: str) -> None:
    texts = ["The owl hunts mice at night.", "The ship sails to Bergen.", "Twelve eggs were laid by the hen."]
    embeddings = RekaEmbeddings(base_url=embedded)
    store = InMemoryVectorStore.from_texts(texts, embeddings)

    found = [store.similarity_search("boat trip", k=1), await store.asimilarity_search("boat trip", k=1)]

    assert [documents[0].page_content for documents in found] == [texts[1]] * 2
    await embeddings.aclose()


def test_the_model_is_named_and_errors_are_rekas_own(fake: FakeReka) -> None:
    fake.will_answer(404, {"error": {"message": "no such model", "type": "not_found_error", "code": "model_not_found"}})
    embeddings = RekaEmbeddings(base_url=fake.url, api_key=SecretStr(KEY), model="e5")

    with pytest.raises(reka.NotFoundError, match="no such model"):
        embeddings.embed_query("hen")

    assert json.loads(fake.requests[0].body)["model"] == "e5"
    embeddings.close()


def test_a_misspelt_argument_is_refused_and_the_key_is_not_serialized() -> None:
    with pytest.raises(ValidationError, match="modells"):
        RekaEmbeddings(modells="e5")  # type: ignore[call-arg]  # the misspelling

    assert KEY not in dumps(RekaEmbeddings(api_key=SecretStr(KEY)))
