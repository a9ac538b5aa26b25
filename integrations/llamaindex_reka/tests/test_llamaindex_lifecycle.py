"""Text forms, copies, pickles, threads and event loops of the model."""

import asyncio
import copy
import json
import pickle
from concurrent.futures import ThreadPoolExecutor

from llama_index.core import Settings
from pydantic import SecretStr

import reka
from llamaindex_reka import RekaLLM
from reka.testing import FakeReka
from tests.support.clients import KEY

from .llamaindex_support import HI, MakeLLM, completion


def test_the_key_shows_in_no_text_form_and_survives_a_pickle(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(200, completion())
    fake.will_answer(200, completion())
    model = llm(temperature=0.5, timeout=reka.Timeout(read=5))
    model.chat(HI)

    # The lowest LlamaIndex has no `to_payload` yet.
    payload = getattr(model, "to_payload", model.to_dict)()
    texts = [repr(model), str(model), model.to_json(), str(model.to_dict()), json.dumps(payload)]
    copied: RekaLLM = pickle.loads(pickle.dumps(model))
    copied.chat(HI)
    copied.close()

    assert [text for text in texts if KEY in text] == []
    assert [request.headers["x-api-key"] for request in fake.requests] == [KEY, KEY]
    assert copied.to_dict() == model.to_dict()


def test_a_model_comes_back_from_its_dict_without_the_key(llm: MakeLLM) -> None:
    model = llm(
        temperature=0.5, stop="END", model="reka-core", additional_kwargs={"a": 1}, timeout=reka.Timeout(read=5)
    )

    again = RekaLLM.from_dict(model.to_dict())

    assert again.to_dict() == model.to_dict()
    assert (again.api_key, again.stop, again.timeout) == (None, ["END"], reka.Timeout(read=5))


def test_a_copy_with_another_key_sends_that_key_and_a_deep_copy_works(fake: FakeReka, llm: MakeLLM) -> None:
    for _ in range(4):
        fake.will_answer(200, completion())
    model = llm()
    model.chat(HI)
    other = model.model_copy(update={"api_key": SecretStr("another-key")})
    deep = copy.deepcopy(model)

    for each in (other, model, deep):
        each.chat(HI)
    deep.close()

    assert [request.headers["x-api-key"] for request in fake.requests] == [KEY, "another-key", KEY, KEY]


def test_one_model_serves_many_threads(fake: FakeReka, llm: MakeLLM) -> None:
    for _ in range(32):
        fake.will_answer(200, completion("ok"))
    model = llm()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: model.complete(f"Question {number}").text, range(32)))

    asked = sorted(request.json["messages"][0]["content"] for request in fake.requests)
    assert answers == ["ok"] * 32
    assert asked == sorted(f"Question {number}" for number in range(32))


def test_one_model_serves_event_loops_one_after_the_other_and_at_once(fake: FakeReka, llm: MakeLLM) -> None:
    for _ in range(8):
        fake.will_answer(200, completion("ok"))
    model = llm()

    def ask_in_a_loop(_: int) -> str:
        return str(asyncio.run(model.acomplete("Hi")).text)

    with ThreadPoolExecutor(4) as threads:
        assert [ask_in_a_loop(0), *threads.map(ask_in_a_loop, range(7))] == ["ok"] * 8


def test_the_model_can_be_the_frameworks_default(llm: MakeLLM) -> None:
    model = llm()
    Settings.llm = model

    assert Settings.llm is model
