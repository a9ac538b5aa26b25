"""The models of a server: its upstream's with what that says of them, or the configured names for one of them."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from reka.server.generation.types import GenerationError
from reka.server.generation.upstream.models import ModelList, read_models
from reka.testing import FakeReka, answer
from reka.testing.bodies import completion
from tests.support.caller import Caller
from tests.support.protocols import post_completion, post_v1_chat
from tests.support.servers import Call, Start

LARGE = {
    "id": "org/large",
    "object": "model",
    "created": 1,
    "owned_by": "org",
    "context_length": 1000,
    "input_modalities": ["text", "image"],
    "pricing": {"prompt": "0.0000002"},
    "supported_features": ["tools"],
}
SMALL = {"id": "reka-flash-3"}
LISTED = {"object": "list", "data": [LARGE, SMALL]}
FACTS = {
    "id": "reka-flash-3",
    "object": "model",
    "created": 0,
    "owned_by": "reka",
    "context_length": 65_536,
    "max_output_length": 58_982,
    "input_modalities": ["text"],
    "output_modalities": ["text"],
    "supported_features": ["structured_outputs", "reasoning"],
}


@pytest.fixture
def listing(fake: FakeReka) -> Iterator[FakeReka]:
    """An upstream that lists two models, whatever it is asked for first."""
    fake.will_answer(200, LISTED)
    fake.otherwise = answer(200, completion(content="Hi"))
    yield fake
    assert [path for path in fake.paths if path.startswith("GET")] == ["GET /v1/models"]


@pytest.fixture
def api(listing: FakeReka, start: Start, call: Call) -> Caller:
    """A caller of a server that offers that upstream's models."""
    return call(start(upstream=listing.url))


def sent_models(upstream: FakeReka) -> list[str]:
    """The models that an upstream's chat requests name."""
    return [request.json["model"] for request in upstream.requests if request.method == "POST"]


def test_the_upstreams_models_are_listed_with_its_fields_or_with_what_is_known(api: Caller) -> None:
    listed = api.ask("GET", "/v1/models").json()

    assert listed == {"object": "list", "data": [LARGE, FACTS]}
    assert api.ask("GET", "/models").json() == ["org/large", "reka-flash-3"]
    assert api.ask("GET", "/v1/models", headers={"X-Fern-Language": "Python"}).json() == [
        {"id": "org/large"},
        {"id": "reka-flash-3"},
    ]
    assert api.ask("GET", "/v1/models/org%2Flarge").json() == LARGE


def test_a_chat_that_names_a_model_of_the_upstream_is_answered_by_that_one(api: Caller, listing: FakeReka) -> None:
    answers = [post_completion(api, "Hi", model=name) for name in ("reka-flash-3", "org/large")]

    assert sent_models(listing) == ["reka-flash-3", "org/large"]
    assert [one.json()["model"] for one in answers] == ["reka-flash-3", "org/large"]


def test_a_documented_name_that_the_upstream_does_not_list_is_answered_by_its_first_model(
    api: Caller, listing: FakeReka
) -> None:
    assert api.chat("Hi", model_name="reka-core").ok
    assert post_v1_chat(api, "Hi").json()["model"] == "reka-flash"
    assert sent_models(listing) == ["org/large", "org/large"]
    assert api.ask("GET", "/v1/models/reka-core").json() == {**LARGE, "id": "reka-core"}


def test_a_chat_that_names_no_model_says_which_one_answers(api: Caller) -> None:
    assert post_completion(api, "Hi", model=None).json()["model"] == "org/large"


def test_a_model_that_neither_has_is_refused_with_those_there_are(api: Caller, listing: FakeReka) -> None:
    said = "There is no model 'gpt-9': this server has org/large, reka-flash-3"

    refused, not_found = post_completion(api, "Hi", model="gpt-9"), api.ask("GET", "/v1/models/gpt-9")

    assert (refused.status_code, refused.json()["error"]["message"]) == (400, said)
    assert (not_found.status_code, not_found.json()["error"]["message"]) == (404, said)
    assert sent_models(listing) == []


def test_one_set_model_answers_under_every_name_and_is_what_they_are_said_to_be(
    listing: FakeReka, start: Start, call: Call
) -> None:
    api = call(start(upstream=listing.url, upstream_model="org/large", models=("reka-flash", "reka-flash-3")))

    assert api.ask("GET", "/v1/models").json()["data"] == [
        {**LARGE, "id": name} for name in ("reka-flash", "reka-flash-3", "org/large")
    ]
    assert post_completion(api, "Hi", model="reka-flash-3").ok
    assert sent_models(listing) == ["org/large"]
    assert post_completion(api, "Hi", model="gpt-9").status_code == 400


def test_of_configured_names_those_that_the_upstream_lists_are_its_models_and_the_others_its_first(
    listing: FakeReka, start: Start, call: Call
) -> None:
    api = call(start(upstream=listing.url, models=("reka-flash-3", "mine")))

    assert api.ask("GET", "/v1/models").json()["data"] == [FACTS, {**LARGE, "id": "mine"}]
    assert [post_completion(api, "Hi", model=name).status_code for name in ("mine", "reka-flash-3", "org/large")] == [
        200,
        200,
        400,
    ]
    assert sent_models(listing) == ["org/large", "reka-flash-3"]


def test_without_its_upstream_a_server_lists_the_configured_names(fake: FakeReka, start: Start, call: Call) -> None:
    fake.otherwise = answer(404, b"")
    api = call(start(upstream=fake.url, upstream_retries=0))

    listed = api.ask("GET", "/v1/models").json()["data"]

    assert [model["id"] for model in listed][:2] == ["reka-flash", "reka-core"]
    assert FACTS in listed
    assert post_completion(api, "Hi", model="gpt-9").status_code == 502  # only the upstream knows


def test_without_a_model_a_server_lists_limits_and_promises_no_features(quoting: Caller) -> None:
    listed = quoting.ask("GET", "/v1/models").json()["data"]

    (model,) = [one for one in listed if one["id"] == "reka-flash-3"]
    assert model == {**FACTS, "supported_features": []}
    assert all(one["input_modalities"] == ["text"] and one["supported_features"] == [] for one in listed)


@pytest.mark.parametrize("name", ["max_model_len", "context_window"])
def test_the_context_length_has_one_name(name: str) -> None:
    assert read_models({"data": [{"id": "m", name: 8192}]}) == {"m": {"id": "m", name: 8192, "context_length": 8192}}


def test_what_an_upstream_names_otherwise_has_rekas_names_too() -> None:
    fields = {
        "id": "org/m",
        "context_length": None,
        "architecture": {"input_modalities": ["text", "image"]},
        "top_provider": {"context_length": 9, "max_completion_tokens": 5},
        "supported_parameters": ["tools", "temperature"],
    }

    assert read_models([fields])["org/m"] == {
        **fields,
        "context_length": 9,
        "max_output_length": 5,
        "input_modalities": ["text", "image"],
        "supported_features": ["tools"],
        "supported_sampling_parameters": ["temperature"],
    }


class Source:
    """Gives lists of models, or raises errors, one after the other."""

    def __init__(self, *results: Any) -> None:
        self.results = list(results)

    async def fetch(self) -> Any:
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


async def test_a_list_that_is_too_old_is_fetched_again_and_kept_if_that_fails() -> None:
    models = ModelList(Source(["a"], ["b"], GenerationError(502, "down"), []).fetch, "url", max_age=0)

    assert [list(await models.get()) for _ in range(4)] == [["a"], ["b"], ["b"], ["b"]]


async def test_a_list_that_is_not_too_old_is_not_fetched_again() -> None:
    models = ModelList(Source(["a"]).fetch, "url", max_age=60)

    assert [list(await models.get()) for _ in range(3)] == [["a"]] * 3


async def test_whoever_needs_the_list_at_the_same_time_shares_one_request() -> None:
    models = ModelList(Source(["a"]).fetch, "url")
    waiting = [asyncio.create_task(models.get()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()

    assert [list(await one) for one in waiting[1:]] == [["a"], ["a"]]


async def test_without_any_list_each_call_tries_anew() -> None:
    models = ModelList(Source(GenerationError(502, "down"), [], ["a"]).fetch, "url", max_age=60)

    with pytest.raises(GenerationError, match="down"):
        await models.get()
    with pytest.raises(GenerationError, match="--upstream-model"):
        await models.get()
    assert list(await models.get()) == ["a"]


async def test_a_list_that_does_not_come_in_time_is_given_up() -> None:
    async def never() -> Any:
        await asyncio.Event().wait()

    with pytest.raises(GenerationError, match="in time") as raised:
        await ModelList(never, "url", timeout=0.01).get()

    assert raised.value.status == 504
