"""Metadata, refusals and cost of an answer by what the server says of a model."""

from typing import Any

import pytest
from llama_index.core.llms import ChatMessage, ImageBlock

import reka
from reka.testing import FakeReka, answer
from tests.support.completions import TOOL

from .llamaindex_support import HI, WAYS, MakeLLM, ask, completion, will_say_hello

LISTED: dict[str, Any] = {
    "data": [
        {
            "id": "m",
            "context_length": 900,
            "max_output_length": 50,
            "input_modalities": ["text"],
            "supported_features": [],
            "pricing": {"prompt": "0.5", "completion": "0.25"},
        }
    ]
}


@pytest.mark.parametrize("way", WAYS)
async def test_after_the_first_call_metadata_and_cost_are_by_what_the_server_says(
    fake: FakeReka, llm: MakeLLM, way: str
) -> None:
    fake.listing = answer(200, LISTED)
    will_say_hello(fake, way)
    model = llm(model="m", api="v1")

    before = model.metadata
    response = (await ask(model, way))[-1]
    after = model.metadata

    assert (before.context_window, before.num_output, before.is_function_calling_model) == (16_384, 1024, True)
    assert (after.context_window, after.num_output, after.is_function_calling_model) == (900, 50, False)
    assert response.additional_kwargs["cost"] == response.raw["usage"]["cost"] == 5 * 0.5 + 2 * 0.25
    assert len(fake.listing_requests) == 1


def test_media_and_tools_that_the_server_says_a_model_lacks_are_refused(fake: FakeReka, llm: MakeLLM) -> None:
    fake.listing = answer(200, LISTED)
    question = [ChatMessage(role="user", blocks=[ImageBlock(url="https://x.example/cat.png")])]

    with pytest.raises(reka.UnsupportedRequestError, match="message 0: got 'image_url', which m does not take"):
        llm(model="m").chat(question)
    with pytest.raises(reka.UnsupportedRequestError, match="tools: m does not support them"):
        llm(model="m").chat(HI, tools=[TOOL])

    assert fake.requests == []


def test_the_user_knows_better_than_the_server_whether_a_model_calls_tools(fake: FakeReka, llm: MakeLLM) -> None:
    fake.listing = answer(200, LISTED)
    fake.will_answer(200, completion())
    model = llm(model="m", is_function_calling_model=True)

    model.chat(HI, tools=[TOOL])

    assert model.metadata.is_function_calling_model
