"""How the server is reached: options as the client has them, and what LangChain's cache takes for the same call."""

import asyncio
import pickle
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumps
from pydantic import ValidationError

import reka
from langchain_reka import ChatReka, RekaRetriever
from reka.testing import FakeReka, answer
from tests.support.clients import KEY
from tests.support.tls import LOOPBACK_CERTIFICATE

from .langchain_support import MakeModel, ask

CALLS = ["invoke", "ainvoke", "stream", "astream"]


@pytest.mark.parametrize("call", CALLS)
def test_headers_are_sent_and_proxies_are_used(answers_ok: FakeReka, make_model: MakeModel, call: str) -> None:
    nowhere = "http://reka.invalid"
    model = make_model(base_url=nowhere, headers={"X-Team": "birds"}, proxies={"http": answers_ok.url})

    ask(model, call, "Hi")

    (request,) = answers_ok.requests
    assert request.headers["x-team"] == "birds"
    assert request.path.startswith(nowhere)


@pytest.mark.parametrize("call", ["invoke", "ainvoke"])
def test_the_certificates_to_trust_can_be_named(call: str) -> None:
    fake = FakeReka(LOOPBACK_CERTIFICATE)
    fake.otherwise = answer(200, {"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]})
    model = ChatReka(api_key=KEY, base_url=fake.url, ca_bundle=LOOPBACK_CERTIFICATE, max_retries=0)

    try:
        assert ask(model, call, "Hi").text == "ok"
    finally:
        model.close()
        fake.close()


def test_own_sessions_are_used_and_stay_open(answers_ok: FakeReka, make_model: MakeModel) -> None:
    session = requests.Session()
    session.headers["X-Session"] = "sync"

    async def asynchronous() -> None:
        async with aiohttp.ClientSession(headers={"X-Session": "async"}) as async_session:
            model = make_model(session=session, async_session=async_session)
            await model.ainvoke("Hi")
            await asyncio.to_thread(model.batch, ["Hi", "Hi"])
            await model.aclose()
            assert not async_session.closed

    asyncio.run(asynchronous())

    assert [request.headers["x-session"] for request in answers_ok.requests] == ["async", "sync", "sync"]
    session.close()


def test_what_may_hold_a_secret_shows_in_no_text_form_and_survives_a_pickle(make_model: MakeModel) -> None:
    secret = "s3cret"
    model = make_model(headers={"X-Auth": secret}, proxies={"http": f"http://me:{secret}@127.0.0.1:9"})

    texts = [repr(model), str(model), dumps(model), model.model_dump_json(), str(model.asdict())]

    assert [text for text in texts if secret in text] == []
    assert pickle.loads(pickle.dumps(model)).headers == {"X-Auth": secret}


def test_datasets_may_live_on_this_machine(answers_ok: FakeReka, make_model: MakeModel, tmp_path: Path) -> None:
    place = f"local:{tmp_path}"
    texts = {"reset.txt": "To reset the lamp, hold the button.", "power.txt": "The lamp needs 5 watts."}
    retriever = RekaRetriever.from_texts(
        texts, dataset="manual", datasets=place, api_key=KEY, base_url=answers_ok.url, k=1
    )

    message = make_model(datasets=place, retrieval_dataset=retriever.dataset, api="v1").invoke("How to reset the lamp?")

    assert [document.metadata["source"] for document in retriever.invoke("reset")] == ["reset.txt"]
    assert "hold the button" in answers_ok.requests[-1].json["messages"][0]["content"]
    assert message.response_metadata["retrieved_chunks"][0]["source"] == "reset.txt"


WRONG = [
    ({"headers": {"a b": "x"}}, "no header can have"),
    ({"proxies": {"http": 3}}, "proxies"),
    ({"session": 3}, "session: got int, want a requests.Session"),
    ({"async_session": 3}, "async_session: got int, want an aiohttp.ClientSession"),
    ({"datasets": "cloud"}, "datasets: got 'cloud'"),
    ({"base_url": "ftp://reka.invalid"}, "base_url"),
    ({"max_retries": -1}, "max_retries"),
    ({"timeout": -1}, "timeout"),
    ({"api_key": "two\nlines"}, "api_key: got a value that no HTTP header can carry"),
]


@pytest.mark.parametrize("kind", [ChatReka, lambda **options: RekaRetriever(dataset="x", **options)])
@pytest.mark.parametrize(("options", "what"), WRONG)
def test_an_option_is_checked_when_it_is_given(kind: Any, options: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        kind(**options)


@pytest.mark.parametrize(
    ("parameters", "what"),
    [
        ({"temperature": -1}, "temperature: got -1"),
        ({"top_p": 2}, "top_p: got 2"),
        ({"stop": [1]}, "stop"),
        ({"length_penalty": "x"}, "length_penalty"),
        ({"temprature": 1}, "temprature: not a parameter of a call"),
    ],
)
def test_a_parameter_is_checked_when_it_is_bound(make_model: MakeModel, parameters: Any, what: str) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=what):
        make_model().bind(**parameters)
    with pytest.raises(reka.InvalidArgumentError, match=what):
        make_model().bind_tools([], **parameters)


def test_further_fields_are_checked_where_they_are_parameters(make_model: MakeModel) -> None:
    with pytest.raises(ValidationError, match="temperature: got -1"):
        make_model(model_kwargs={"temperature": -1})


@pytest.mark.parametrize(
    ("one", "other", "are_kept_apart"),
    [
        ({}, {}, False),
        ({"api_key": "key-a"}, {"api_key": "key-b"}, False),
        ({"api_key": "key-a", "retrieval_dataset": "d"}, {"api_key": "key-b", "retrieval_dataset": "d"}, True),
        (
            {"api_key": "key-a", "model_kwargs": {"retrieval_dataset": "d"}},
            {"api_key": "key-b", "model_kwargs": {"retrieval_dataset": "d"}},
            True,
        ),
        ({"base_url": None}, {"base_url": None}, False),
        ({"base_url": "{url}"}, {"base_url": "{other}"}, True),
        ({"base_url": None}, {"base_url": "{other}"}, True),
        ({"temperature": 0}, {"temperature": 1}, True),
    ],
)
def test_langchains_cache_keeps_apart_what_differs_by_server_and_datasets_by_key(
    answers_ok: FakeReka,
    make_model: MakeModel,
    monkeypatch: pytest.MonkeyPatch,
    one: dict[str, Any],
    other: dict[str, Any],
    *,
    are_kept_apart: bool,
) -> None:
    monkeypatch.setenv("REKA_BASE_URL", answers_ok.url)
    cache = InMemoryCache()
    urls = {"{url}": answers_ok.url, "{other}": answers_ok.url.replace("127.0.0.1", "localhost")}

    for options in (one, other):
        named = {name: urls.get(value, value) if isinstance(value, str) else value for name, value in options.items()}
        make_model(cache=cache, **named).invoke("Hi")

    asked = [request for request in answers_ok.requests if request.method == "POST"]
    assert len(asked) == (2 if are_kept_apart else 1)
    assert not any(options.get("api_key", KEY) in repr(cache._cache) for options in (one, other))


def test_what_a_server_elsewhere_in_the_environment_answers_is_kept_apart(
    answers_ok: FakeReka, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(base_url=None, cache=InMemoryCache())

    for url in (answers_ok.url, answers_ok.url.replace("127.0.0.1", "localhost"), answers_ok.url):
        monkeypatch.setenv("REKA_BASE_URL", url)
        model.invoke("Hi")

    assert len(answers_ok.requests) == 2
