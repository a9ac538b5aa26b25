"""Parameters of the chat model: each way to set them, their names in the API, and those that are refused."""

from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import Field, SecretStr, ValidationError

import reka
from langchain_reka import ChatReka
from reka.testing import FakeReka
from tests.support.clients import KEY

from .langchain_support import TOOL, MakeModel

VALUES: dict[str, Any] = {
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
    "length_penalty": 0.9,
    "retrieval_dataset": "manual",
}
ON_V0 = {
    **{name: name for name in VALUES},
    "model": "model_name",
    "max_tokens": "request_output_len",
    "top_p": "runtime_top_p",
    "top_k": "runtime_top_k",
    "stop": "stop_words",
    "seed": "random_seed",
}
ON_V1 = {name: name for name in VALUES if name not in ("length_penalty", "retrieval_dataset")}


@pytest.mark.parametrize("how", ["constructor", "call", "bind"])
@pytest.mark.parametrize(("api", "fields"), [("v0", ON_V0), ("v1", ON_V1)], ids=["v0", "v1"])
def test_each_parameter_is_sent_under_the_name_that_the_api_has_for_it(
    answers_ok: FakeReka, make_model: MakeModel, api: str, fields: dict[str, str], how: str
) -> None:
    given = {name: VALUES[name] for name in fields}

    if how == "constructor":
        make_model(api=api, **given).invoke("Hi")
    elif how == "call":
        make_model(api=api).invoke("Hi", **given)
    else:
        make_model(api=api).bind(**given).invoke("Hi")

    sent = answers_ok.requests[-1].json
    assert {name: sent[field] for name, field in fields.items()} == given


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("research", {"web_search": {"enabled": True}}),
        ("response_format", {"type": "json_object"}),
        ("tools", [{"type": "function", "function": TOOL}]),
    ],
)
def test_a_call_takes_what_only_calls_have(answers_ok: FakeReka, make_model: MakeModel, name: str, value: Any) -> None:
    make_model().invoke("Hi", **{name: value})

    assert answers_ok.requests[0].json[name] == value


def test_what_is_not_set_is_left_to_the_server(answers_ok: FakeReka, make_model: MakeModel) -> None:
    make_model().invoke("Hi")

    assert answers_ok.requests[0].json == {"messages": [{"role": "user", "content": "Hi"}], "model": "reka-flash"}


def test_model_kwargs_reach_the_request_as_they_are(answers_ok: FakeReka, make_model: MakeModel) -> None:
    make_model(model_kwargs={"min_p": 0.1}).invoke("Hi")

    assert answers_ok.requests[0].json["min_p"] == 0.1


def test_a_call_goes_before_the_constructor(answers_ok: FakeReka, make_model: MakeModel) -> None:
    message = make_model(model="reka-flash", stop=["A"]).invoke("Hi", model="reka-core", stop=["B"])

    assert (answers_ok.requests[0].json["model"], answers_ok.requests[0].json["stop"]) == ("reka-core", ["B"])
    assert message.response_metadata["model_name"] == "reka-core"


def test_the_names_of_the_community_class_are_taken() -> None:
    model = ChatReka(
        model="reka-core",
        max_tokens=256,
        temperature=0.5,
        streaming=False,
        default_request_timeout=5,
        max_retries=2,
        reka_api_key=KEY,
        model_kwargs={"top_p": 0.5},
        token_counter=len,
        client=None,
        async_client=None,
    )

    assert (model.model, model.timeout, model.max_retries) == ("reka-core", 5, 2)
    assert model.api_key == SecretStr(KEY)
    assert model.get_num_tokens("four") == 4


@pytest.mark.parametrize(
    "model",
    [ChatReka("reka-edge"), ChatReka("reka:reka-edge"), ChatReka(model_name="reka-edge"), ChatReka(model="reka-edge")],
)
def test_a_model_is_made_from_a_string(model: ChatReka) -> None:
    assert model.model == "reka-edge"


@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [("temprature", "temperature"), ("reka_key", "reka_api_key"), ("modl", "model"), ("maxtokens", "max_tokens")],
)
def test_an_unknown_argument_is_refused_with_the_nearest_that_is_known(
    answers_ok: FakeReka, make_model: MakeModel, unknown: str, nearest: str
) -> None:
    with pytest.raises(
        ValidationError, match=f"{unknown}: ChatReka has no such argument; did you mean {nearest}"
    ) as made:
        make_model(**{unknown: KEY})

    assert KEY not in str(made.value)


def test_a_subclass_may_have_fields_of_its_own_under_another_name() -> None:
    class Moody(ChatReka):
        mood: str = Field(default="", alias="humour")

    mistyped: dict[str, Any] = {"humor": "dry"}

    assert Moody(humour="dry").mood == "dry"
    with pytest.raises(ValidationError, match="humor: Moody has no such argument; did you mean humour"):
        Moody(**mistyped)


def test_an_unknown_parameter_of_a_call_is_refused(answers_ok: FakeReka, make_model: MakeModel) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="temprature: not a parameter of a call; did you mean temperat"):
        make_model().invoke("Hi", temprature=1)
    assert answers_ok.requests == []


def test_the_form_of_requests_is_set_by_the_model_or_the_environment_and_a_wrong_one_is_named(
    answers_ok: FakeReka, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [SystemMessage("Be brief."), HumanMessage("Hi")]
    monkeypatch.setenv("REKA_FORM", "reka")

    make_model().invoke(asked)
    make_model(form="openai").invoke(asked)

    assert [request.json["messages"][0]["role"] for request in answers_ok.requests] == ["user", "system"]
    with pytest.raises(ValidationError, match=r"form\n.*'auto', 'openai' or 'reka'"):
        make_model(form="claude")


def test_a_key_given_as_something_else_does_not_show_in_the_error() -> None:
    with pytest.raises(ValidationError, match="timeout") as caught:
        ChatReka(timeout=KEY)
    assert KEY not in str(caught.value)
