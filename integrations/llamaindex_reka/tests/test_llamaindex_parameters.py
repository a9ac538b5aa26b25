"""Parameters of the model: each way to set them, where they send a request, and those that are refused."""

from typing import Any

import pytest
from llama_index.core.llms import ChatMessage, MessageRole
from pydantic import ValidationError

import reka
from llamaindex_reka import RekaLLM
from reka.testing import FakeReka
from tests.support.clients import KEY

from .llamaindex_support import HI, WAYS, MakeLLM, ask, completion, sent, text_of

V0 = "POST /chat"


V1 = "POST /v1/chat/completions"


PARAMETERS: dict[str, Any] = {
    "model": "reka-core",
    "temperature": 0.0,
    "max_tokens": 10,
    "top_p": 0.5,
    "top_k": 3,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "stop": ["END"],
    "seed": 7,
    "reasoning_effort": "low",
    "research": {"web_search": {"enabled": True}},
}


@pytest.mark.parametrize("how", ["constructor", "call", "additional_kwargs", "additional_kwargs of the call"])
def test_each_parameter_is_sent_however_it_is_given(fake: FakeReka, llm: MakeLLM, how: str) -> None:
    fake.will_answer(200, completion())

    given: Any = {"additional_kwargs": PARAMETERS} if how.startswith("additional") else PARAMETERS
    if how in ("constructor", "additional_kwargs"):
        llm(**given).chat(HI)
    else:
        llm().complete("Hi", **given)

    assert sent(fake) == {"messages": [{"role": "user", "content": "Hi"}], **PARAMETERS}


@pytest.mark.parametrize(
    ("way", "in_call", "name", "value"),
    [
        *((way, False, "retrieval_dataset", "manual") for way in WAYS),
        ("complete", True, "retrieval_dataset", "manual"),
        ("astream_chat", True, "length_penalty", 0.9),
        ("chat", False, "length_penalty", 0.9),
    ],
)
async def test_what_the_documented_endpoint_alone_has_sends_the_request_there(
    fake: FakeReka, llm: MakeLLM, way: str, in_call: bool, name: str, value: Any
) -> None:
    fake.will_answer(200, {"features": []})
    fake.will_answer(200, {"type": "model", "text": "Hello!", "retrieved_chunks": [{"text": "chunk"}]})
    model = llm() if in_call else llm(**{name: value})

    answer = await ask(model, way, **({name: value} if in_call else {}))
    await model.aclose()

    assert fake.paths == ["GET /", V0]
    assert sent(fake)[name] == value
    assert sent(fake)["conversation_history"] == [{"type": "human", "text": "Hi"}]
    assert text_of(answer[-1]) == "Hello!"
    assert answer[-1].additional_kwargs["retrieved_chunks"] == [{"text": "chunk"}]


def test_a_parameter_of_a_call_goes_before_the_models_own(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(200, completion())

    llm(temperature=0.5, seed=3, additional_kwargs={"seed": 4, "extra": 1}).chat(
        HI, temperature=0.1, max_tokens=None, additional_kwargs={"extra": 2}
    )

    assert (sent(fake)["temperature"], sent(fake)["seed"], sent(fake)["extra"]) == (0.1, 4, 2)


def test_what_is_not_set_is_left_to_the_server(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(200, completion())

    llm(additional_kwargs=None).chat(HI)

    assert sent(fake) == {"messages": [{"role": "user", "content": "Hi"}], "model": "reka-flash"}


@pytest.mark.parametrize(("api", "path"), [("v0", V0), ("v1", V1), ("auto", V1)])
def test_api_says_where_a_request_goes(fake: FakeReka, llm: MakeLLM, api: str, path: str) -> None:
    fake.will_answer(200, {"type": "model", "text": "Hello!"} if api == "v0" else completion("Hello!"))

    assert llm(api=api).complete("Hi").text == "Hello!"
    assert fake.paths == [path]


def test_a_server_that_has_the_documented_endpoint_alone_is_asked_there(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(404)
    fake.will_answer(200, {"type": "model", "text": "Hello!"})
    fake.will_answer(200, {"type": "model", "text": "again"})
    model = llm()

    assert [model.complete("Hi").text, model.complete("Hi").text] == ["Hello!", "again"]
    assert fake.paths == [V1, V0, V0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1},
        {"max_tokens": 0},
        {"top_p": 1.5},
        {"top_k": -1},
        {"stop": [""]},
        {"api": "v2"},
        {"max_retries": -1},
        {"stop": 3},
    ],
)
def test_a_value_out_of_bounds_is_refused_when_the_model_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        RekaLLM(**wrong)


def test_an_unknown_parameter_is_refused_and_the_nearest_known_one_named(fake: FakeReka, llm: MakeLLM) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=r"temprature: .*did you mean 'temperature'"):
        llm(temprature=1)
    with pytest.raises(reka.InvalidArgumentError, match=r"max_token: .*did you mean 'max_tokens'"):
        llm().chat(HI, max_token=1)
    with pytest.raises(reka.InvalidArgumentError, match=r"zzz: .*want one of model, "):
        llm().chat(HI, zzz=1)
    assert fake.requests == []


@pytest.mark.parametrize("name", ["api_kee", "timeout"])
def test_a_key_given_under_a_wrong_name_does_not_show_in_the_error(name: str) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        RekaLLM(**{name: KEY})  # type: ignore[arg-type]  # it is wrong on purpose
    assert KEY not in str(caught.value)


def test_the_form_of_requests_is_set_by_the_model_or_the_environment_and_a_wrong_one_is_named(
    fake: FakeReka, llm: MakeLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [ChatMessage(role=MessageRole.SYSTEM, content="Be brief."), *HI]
    monkeypatch.setenv("REKA_FORM", "reka")

    for model in (llm(), llm(form="openai")):
        fake.will_answer(200, completion())
        model.chat(asked)

    assert [sent(fake, index)["messages"][0]["role"] for index in (0, 1)] == ["user", "system"]
    with pytest.raises(ValidationError, match=r"form\n.*'auto', 'openai' or 'reka'"):
        llm(form="claude")


@pytest.mark.parametrize(
    ("parameters", "window", "output", "calls_tools"),
    [
        ({}, 65_536, 1024, True),
        ({"model": "reka-edge", "max_tokens": 50}, 16_384, 50, True),
        ({"model": "a-model-of-tomorrow"}, 16_384, 1024, True),
        ({"model": "a-model-of-tomorrow", "context_window": 9000}, 9000, 1024, True),
        ({"is_function_calling_model": False}, 65_536, 1024, False),
        ({"api": "v0"}, 65_536, 1024, False),
    ],
)
def test_metadata_is_there_for_every_model(
    parameters: dict[str, Any], window: int, output: int, calls_tools: bool
) -> None:
    metadata = RekaLLM(**parameters).metadata

    assert (metadata.context_window, metadata.num_output) == (window, output)
    assert (metadata.is_chat_model, metadata.is_function_calling_model) == (True, calls_tools)
    assert metadata.model_name == parameters.get("model", "reka-flash")
