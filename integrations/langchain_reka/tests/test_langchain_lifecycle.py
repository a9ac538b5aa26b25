"""Text forms, copies, pickles, threads and event loops of the chat model."""

import asyncio
import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.load import dumps, loads
from pydantic import SecretStr

import reka
from langchain_reka import ChatReka
from reka.testing import FakeReka
from tests.support.clients import KEY

from .langchain_support import MakeModel


def test_the_key_shows_in_no_text_form_and_survives_a_pickle(answers_ok: FakeReka, make_model: MakeModel) -> None:
    model = make_model(temperature=0.5)
    model.invoke("Hi")

    texts = [repr(model), str(model), dumps(model), model.model_dump_json(), str(model.asdict())]
    copied: ChatReka = pickle.loads(pickle.dumps(model))
    copied.invoke("Hi")
    copied.close()

    assert [text for text in texts if KEY in text] == []
    assert [request.headers["x-api-key"] for request in answers_ok.requests] == [KEY, KEY]
    assert copied == model


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_a_dumped_model_is_loaded_with_the_key_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, make_model: MakeModel
) -> None:
    model = make_model(temperature=0.5, stop=["END"], model="reka-core", api="v1", timeout=reka.Timeout(connect=1))
    monkeypatch.setenv("REKA_API_KEY", KEY)

    loaded = loads(dumps(model), allowed_objects=[ChatReka], valid_namespaces=["langchain_reka"], secrets_from_env=True)

    assert loaded == model


def test_a_copy_with_another_key_sends_that_key(answers_ok: FakeReka, make_model: MakeModel) -> None:
    model = make_model()
    model.invoke("Hi")
    other = model.model_copy(update={"api_key": SecretStr("another-key")})
    deep, shallow = copy.deepcopy(model), copy.copy(model)

    for each in (other, model, deep, shallow):
        each.invoke("Hi")
    deep.close()

    keys = [request.headers["x-api-key"] for request in answers_ok.requests]
    assert keys == [KEY, "another-key", KEY, KEY, KEY]


def test_one_model_serves_many_threads_and_many_event_loops(answers_ok: FakeReka, make_model: MakeModel) -> None:
    model = make_model()

    async def one_after_the_other(number: int) -> list[str]:
        try:
            return [(await model.ainvoke(f"{number}.{each}")).text for each in range(3)]
        finally:
            await model.aclose()

    def in_a_loop_of_its_own(number: int) -> list[str]:
        return [model.invoke(str(number)).text, *asyncio.run(one_after_the_other(number))]

    with ThreadPoolExecutor(8) as threads:
        texts = list(threads.map(in_a_loop_of_its_own, range(16)))

    assert texts == [["ok"] * 4] * 16
    asked = sorted(request.json["messages"][0]["content"] for request in answers_ok.requests)
    assert asked == sorted(f"{number}{each}" for number in range(16) for each in ("", ".0", ".1", ".2"))


def test_calls_share_one_connection(answers_ok: FakeReka, make_model: MakeModel) -> None:
    model = make_model()

    for _ in range(5):
        model.bind(temperature=0).invoke("Hi")

    assert answers_ok.connections == 1


def test_a_closed_model_opens_again_when_it_is_called(answers_ok: FakeReka, make_model: MakeModel) -> None:
    model = make_model()
    first = model.invoke("Hi").text
    model.close()

    assert answers_ok.all_connections_closed()
    assert (first, model.invoke("Hi").text) == ("ok", "ok")


async def test_aclose_ends_the_connections_of_the_running_loop(answers_ok: FakeReka, make_model: MakeModel) -> None:
    model = make_model()
    await model.ainvoke("Hi")

    await model.aclose()

    assert await asyncio.to_thread(answers_ok.all_connections_closed)
