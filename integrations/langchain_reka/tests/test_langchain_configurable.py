"""Fields that a call's config sets: each call has its own key and dataset, over the connections of all."""

import asyncio
from typing import Any

import pytest
from langchain_core.runnables import ConfigurableField

from langchain_reka import RekaRetriever
from reka.testing import FakeReka, answer

from .langchain_support import MakeModel

CALLS = [("key-a", "birds"), ("key-b", "lamps"), ("key-a", "lamps"), ("key-c", "birds")]
FIELDS = {"api_key": ConfigurableField(id="key"), "dataset": ConfigurableField(id="dataset")}


def _config(key: str, dataset: str) -> Any:
    return {"configurable": {"key": key, "dataset": dataset}}


@pytest.fixture
def searched(fake: FakeReka) -> FakeReka:
    """A server that finds nothing, in any dataset."""
    fake.otherwise = answer(200, {"features": ["documents"], "retrieved_chunks": []})
    return fake


@pytest.mark.parametrize("call", ["invoke", "ainvoke"])
def test_a_retrievers_key_and_dataset_are_those_of_the_call(searched: FakeReka, call: str) -> None:
    retriever = RekaRetriever(dataset="any", base_url=searched.url, datasets="host")
    configurable = retriever.configurable_fields(**FIELDS)

    if call == "invoke":
        for key, dataset in CALLS:
            configurable.invoke("Hi", _config(key, dataset))
    else:

        async def in_turn() -> None:
            for key, dataset in CALLS:
                await configurable.ainvoke("Hi", _config(key, dataset))

        asyncio.run(in_turn())
    retriever.close()

    searches = [request for request in searched.requests if request.method == "POST"]
    assert [(request.headers["x-api-key"], request.path) for request in searches] == [
        (key, f"/datasets/{dataset}/search") for key, dataset in CALLS
    ]
    assert searched.connections == 1
    assert searched.all_connections_closed()


def test_a_models_key_and_dataset_are_those_of_the_call(searched: FakeReka, make_model: MakeModel) -> None:
    searched.otherwise = answer(200, {"type": "model", "text": "ok"})
    fields = {**FIELDS, "retrieval_dataset": FIELDS["dataset"]}
    del fields["dataset"]
    configurable = make_model(api="v0", datasets="host").configurable_fields(**fields)

    for key, dataset in CALLS:
        configurable.invoke("Hi", _config(key, dataset))

    chats = [request for request in searched.requests if request.path == "/chat"]
    assert [(request.headers["x-api-key"], request.json["retrieval_dataset"]) for request in chats] == CALLS
    assert searched.connections == 1
