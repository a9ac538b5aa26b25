"""Profiles, refusals and cost of an answer by what the server says of a model."""

from typing import Any

import pytest
from langchain_core.messages import HumanMessage

import reka
from reka.testing import FakeReka, answer
from reka.testing.bodies import completion

from .langchain_support import TOOL, MakeModel, ask

LISTED: dict[str, Any] = {
    "data": [
        {
            "id": "reka-flash-3",
            "context_length": 9,
            "input_modalities": ["text", "image"],
            "supported_features": [],
            "pricing": {"prompt": "0.5", "completion": "0.25"},
        }
    ]
}


@pytest.mark.parametrize("call", ["invoke", "ainvoke", "stream", "astream"])
def test_after_the_first_call_a_profile_is_what_the_server_says_of_the_model(
    fake: FakeReka, make_model: MakeModel, call: str
) -> None:
    fake.listing = answer(200, LISTED)
    fake.otherwise = answer(200, completion(content="ok"))
    model = make_model(model="reka-flash-3", api="v1")
    question = [HumanMessage([{"type": "image", "url": "https://example.com/cat.png"}])]

    assert (model.profile or {}).get("image_inputs") is False
    ask(model, call, question)
    profile, renamed = model.profile or {}, model.model_copy(update={"model": "reka-edge-2603"})
    ask(renamed, call, "Hi")
    ask(make_model(model="reka-flash-3", api="v1"), call, "Hi")

    expected = {"image_inputs": True, "max_input_tokens": 9, "max_output_tokens": 58_982, "tool_calling": False}
    assert {name: profile.get(name) for name in expected} == expected
    assert (make_model(model="reka-flash-3").profile or {}).get("max_input_tokens") == 9
    assert len(fake.listing_requests) == 1


def test_a_profile_of_the_users_stays_and_says_what_is_refused(fake: FakeReka, make_model: MakeModel) -> None:
    fake.listing = answer(200, LISTED)
    fake.otherwise = answer(200, completion(content="ok"))
    model = make_model(model="reka-flash-3", profile={"image_inputs": False, "tool_calling": True})

    model.bind_tools([TOOL]).invoke("Hi")

    assert model.profile == {"image_inputs": False, "tool_calling": True}
    with pytest.raises(reka.UnsupportedRequestError, match=r"message 0: got 'image_url'.* by its profile"):
        model.invoke([HumanMessage([{"type": "image", "url": "https://example.com/cat.png"}])])


def test_tools_that_the_server_says_a_model_lacks_are_refused(fake: FakeReka, make_model: MakeModel) -> None:
    fake.listing = answer(200, LISTED)

    with pytest.raises(reka.UnsupportedRequestError, match="tools: reka-flash-3 does not support them"):
        make_model(model="reka-flash-3").bind_tools([TOOL]).invoke("Hi")

    assert fake.requests == []


@pytest.mark.parametrize("call", ["invoke", "stream"])
def test_an_answer_has_its_cost_where_the_server_lists_prices(fake: FakeReka, make_model: MakeModel, call: str) -> None:
    fake.listing = answer(200, LISTED)
    fake.otherwise = answer(200, completion(content="ok"))

    message = ask(make_model(model="reka-flash-3", api="v1"), call, "Hi")

    assert message.response_metadata["cost"] == 3 * 0.5 + 5 * 0.25
