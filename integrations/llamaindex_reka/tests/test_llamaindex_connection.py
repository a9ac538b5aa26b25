"""Connection settings of the model, the retriever and the index."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests
from llama_index.core import Document
from llama_index.core.base.response.schema import StreamingResponse
from pydantic import ValidationError

import reka
from llamaindex_reka import RekaIndex, RekaLLM, RekaRetriever
from reka.testing import FakeReka, answer
from tests.support.clients import KEY
from tests.support.strict_openai import StrictOpenAI
from tests.support.strict_reka import StrictReka

from .llamaindex_support import HI, completion

CHUNK = {"text": "Hold the button.", "source": "reset.txt"}
CALLS: dict[str, Callable[..., Any]] = {
    "model": lambda **connection: RekaLLM(**connection).chat(HI),
    "retriever": lambda **connection: RekaRetriever("manual", **connection).retrieve("How?"),
    "index's retriever": lambda **connection: RekaIndex("manual", **connection).as_retriever().retrieve("How?"),
    "index's engine": lambda **connection: RekaIndex("manual", **connection).as_native_query_engine().query("How?"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_headers_and_the_session_go_with_each_call(fake: FakeReka, call: Callable[..., Any]) -> None:
    fake.otherwise = answer(200, {**completion(), "type": "model", "text": "Hi", "retrieved_chunks": [CHUNK]})
    with requests.Session() as session:
        session.cookies.set("crumb", "1")
        call(api_key=KEY, base_url=fake.url, headers={"X-Team": "blue"}, proxies={}, session=session)

    assert {request.headers["x-team"] for request in fake.requests} == {"blue"}
    assert "crumb=1" in fake.requests[-1].headers["cookie"]


async def test_asynchronous_calls_go_through_their_own_session(fake: FakeReka) -> None:
    fake.otherwise = answer(200, {**completion(), "type": "model", "text": "Hi", "retrieved_chunks": [CHUNK]})
    async with aiohttp.ClientSession(headers={"X-Team": "blue"}) as session:
        connection: dict[str, Any] = {"api_key": KEY, "base_url": fake.url, "async_session": session}
        await RekaLLM(**connection).achat(HI)
        await RekaRetriever("manual", **connection).aretrieve("How?")

        assert not session.closed
    assert {request.headers["x-team"] for request in fake.requests} == {"blue"}


@pytest.mark.parametrize("place", ["datasets", "REKA_DATASETS"])
@pytest.mark.parametrize(("start", "model"), [(StrictOpenAI, "reka-edge-2603"), (StrictReka, "reka-flash")])
def test_an_index_over_a_host_without_datasets_keeps_them_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, start: Callable[[], Any], model: str
) -> None:
    local = f"local:{tmp_path}"
    with start() as host:
        connection: dict[str, Any] = {"api_key": KEY, "base_url": host.url}
        if place == "datasets":
            connection["datasets"] = local
        else:
            monkeypatch.setenv(place, local)
        index = RekaIndex.from_documents(
            [Document(text="To reset the lamp, hold the button.", id_="reset.txt")], dataset="lamp", **connection
        )
        llm = RekaLLM(model=model, **connection)

        response = index.as_native_query_engine(llm).query("How do I reset the lamp?")
        streamed = index.as_native_query_engine(llm, streaming=True).query("How do I reset the lamp?")
        assert isinstance(streamed, StreamingResponse)
        text = str(streamed.get_response())

        assert [node.node.ref_doc_id for node in response.source_nodes] == ["reset.txt"]
        assert [node.node.ref_doc_id for node in streamed.source_nodes] == ["reset.txt"]
        assert str(response) == text
        assert all("/datasets" not in request.path for request in host.requests)
        index.close()
        llm.close()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("base_url", "reka.ai"),
        ("base_url", 3),
        ("timeout", -1),
        ("datasets", "cloud"),
        ("headers", {"a b": "c"}),
        ("proxies", {"https": 3}),
        ("session", "session"),
        ("async_session", "session"),
        ("api_kee", KEY),
    ],
)
def test_a_wrong_setting_is_refused_when_it_is_given_and_shows_no_key(name: str, wrong: Any) -> None:
    makers: list[Callable[..., Any]] = [RekaRetriever, RekaIndex, RekaIndex.from_documents]
    for make in makers:
        with pytest.raises(reka.InvalidArgumentError, match=f"^{name}: ") as caught:
            make("manual", **{name: wrong})
        assert KEY not in str(caught.value)
    with pytest.raises((ValidationError, reka.InvalidArgumentError), match=name) as refused:
        RekaLLM(**{name: wrong})
    assert KEY not in str(refused.value)


def test_a_blank_name_of_a_model_or_a_dataset_is_refused() -> None:
    with pytest.raises(ValidationError, match="model: got ' ', want a name"):
        RekaLLM(model=" ")
    with pytest.raises(ValidationError, match="retrieval_dataset: got '', want a name"):
        RekaLLM(retrieval_dataset="")


def test_secrets_of_headers_and_proxies_show_in_no_text_form_and_survive_a_pickle() -> None:
    model = RekaLLM(headers={"X-Team": "secret"}, proxies={"https": "http://me:secret@proxy.example"})

    assert "secret" not in f"{model!r} {model} {model.to_json()} {model.model_dump_json()} {model.client_settings!r}"
    assert pickle.loads(pickle.dumps(model)).headers == {"X-Team": "secret"}
