"""What a server says of its models: read in every shape, filled from the built-in table, and applied to calls."""

from typing import Any, Final

import pytest

import reka
from reka._protocol.models import read_model
from reka.testing import FakeReka, answer
from reka.testing.bodies import DONE, chunk, completion, events
from tests.support.clients import KEY, Connect
from tests.support.completions import HI, TOOL

FULL: Final[dict[str, Any]] = {
    "id": "m",
    "object": "model",
    "name": "The Model",
    "description": "It answers.",
    "context_length": 4096,
    "max_output_length": 1000,
    "input_modalities": ["text", "image"],
    "output_modalities": ["text"],
    "pricing": {"prompt": "0.000002", "completion": "0.00001", "input_cache_read": "0.0000005", "image": "0.1"},
    "supported_sampling_parameters": ["temperature"],
    "supported_features": ["tools"],
    "tokenizer": "unigram",
}
READS_ALONE: Final = {"id": "m", "input_modalities": ["text"], "supported_features": []}
IMAGE: Final = "https://x.example/cat.png"
QUESTION: Final = [{"role": "user", "content": [{"type": "image_url", "image_url": IMAGE}]}]
USAGE: Final = {
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "total_tokens": 1100,
    "prompt_tokens_details": {"cached_tokens": 400},
}


def learn(client: reka.Reka, fake: FakeReka, *models: object) -> None:
    """Have a client ask what the server says of its models."""
    fake.will_answer(200, {"object": "list", "data": list(models)})
    client.describe_models()


def test_every_field_of_a_model_has_a_place(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, {"object": "list", "data": [FULL]})

    assert client.describe_models() == [
        reka.Model(
            "m",
            "The Model",
            "It answers.",
            4096,
            1000,
            ("text", "image"),
            ("text",),
            ("tools",),
            ("temperature",),
            reka.Pricing(2e-6, 1e-5, 5e-7, {"image": "0.1"}),
            {"object": "model", "tokenizer": "unigram"},
        )
    ]
    assert fake.paths == ["GET /v1/models"]


@pytest.mark.parametrize(
    "body",
    [["reka-flash-3", "m"], [{"id": "reka-flash-3"}, {"id": "m"}], {"data": [{"id": "reka-flash-3"}, {"id": "m"}]}],
)
def test_what_a_server_does_not_say_comes_from_the_table(client: reka.Reka, fake: FakeReka, body: object) -> None:
    fake.will_answer(200, body)

    known, unknown = client.describe_models()

    assert (known.context_length, known.max_output_length) == (65_536, 58_982)
    assert (known.takes("text"), known.takes("image"), known.supports("structured_outputs")) == (True, False, True)
    assert unknown == reka.Model("m")
    assert (unknown.takes("text"), unknown.supports("tools")) == (None, None)


def test_what_a_server_says_is_never_replaced_by_the_table(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(
        200,
        [{"id": "reka-flash-3", "context_length": 9, "input_modalities": ["text", "image"], "supported_features": []}],
    )

    (model,) = client.describe_models()

    assert (model.context_length, model.takes("image"), model.supports("structured_outputs")) == (9, True, False)
    assert model.max_output_length == 58_982


def test_models_are_described_at_the_address_that_the_server_has(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(404, {"detail": "Not Found"})
    fake.will_answer(200, ["reka-core"])

    assert [model.id for model in client.describe_models()] == ["reka-core"]
    assert fake.paths == ["GET /v1/models", "GET /models"]


def test_one_model_is_described_by_its_name(client: reka.Reka, fake: FakeReka) -> None:
    fake.otherwise = answer(200, ["reka-flash-3", {"id": "reka-edge-2603", "context_length": 5}])

    assert client.describe_model("reka-edge-2603").context_length == 5
    with pytest.raises(reka.NotFoundError, match=r"no model 'reka-edge'; the server has reka-edge-2603, reka-flash-3"):
        client.describe_model("reka-edge")
    with pytest.raises(reka.InvalidArgumentError, match="name: got ''"):
        client.describe_model("")


def test_without_a_list_the_table_describes_a_model_that_it_has(connect: Connect, fake: FakeReka) -> None:
    fake.otherwise = answer(501, {"detail": "what happened"})

    with connect(KEY, fake.url, max_retries=0) as client:
        assert client.describe_model("reka-flash-20240904").context_length == 65_536
        assert client.describe_model("reka-flash-20240904").id == "reka-flash-20240904"
        with pytest.raises(reka.ServerError):
            client.describe_model("m")
        with pytest.raises(reka.ServerError):
            client.describe_models()


def test_media_that_a_model_does_not_take_are_refused_once_the_server_has_said_so(
    client: reka.Reka, fake: FakeReka
) -> None:
    learn(client, fake, READS_ALONE)
    refusal = r"message 0: got 'image_url', which m does not take \(it takes text\)"

    with pytest.raises(reka.UnsupportedRequestError, match=refusal):
        client.chat("What is this?", IMAGE, model_name="m")
    with pytest.raises(reka.UnsupportedRequestError, match=refusal):
        client.complete(QUESTION, model="m")

    assert len(fake.requests) == 1


def test_tools_that_a_model_lacks_are_refused_once_the_server_has_said_so(client: reka.Reka, fake: FakeReka) -> None:
    learn(client, fake, READS_ALONE)

    with pytest.raises(reka.UnsupportedRequestError, match="tools: m does not support them"):
        client.complete(HI, model="m", tools=[TOOL])
    with pytest.raises(reka.UnsupportedRequestError, match="tools"):
        next(client.stream_messages(HI, model="m", tools=[TOOL]))

    assert len(fake.requests) == 1


def test_what_only_the_table_says_refuses_nothing(client: reka.Reka, fake: FakeReka) -> None:
    learn(client, fake, "reka-flash-3")
    fake.will_answer(200, completion(content="A cat"))

    assert client.complete(QUESTION, model="reka-flash-3", tools=[TOOL]).text == "A cat"


@pytest.mark.parametrize("way", ["chat", "complete", "stream", "stream_messages"])
def test_the_cost_is_computed_from_the_prices_with_cached_tokens_at_their_own(
    client: reka.Reka, fake: FakeReka, way: str
) -> None:
    learn(client, fake, FULL)
    if way == "chat":
        fake.will_answer(200, {"type": "model", "text": "Hi", "usage": USAGE})
        turn: dict[str, Any] = {**client.chat("Hi", model_name="m")}
        cost = turn["usage"]["cost"]
    elif way == "complete":
        fake.will_answer(200, completion(content="Hi") | {"usage": USAGE})
        usage = client.complete(HI, model="m").usage
        cost = usage and usage.cost
    else:
        fake.will_stream(events(chunk(content="Hi"), chunk("stop") | {"usage": USAGE}) + DONE)
        if way == "stream":
            usage = list(client.stream("Hi", model_name="m"))[-1].usage
        else:
            usage = next(event for event in client.stream_messages(HI, model="m") if isinstance(event, reka.Usage))
        cost = usage and usage.cost

    assert cost == pytest.approx(600 * 2e-6 + 400 * 5e-7 + 100 * 1e-5)
    assert len(fake.requests) == 2


def test_a_cost_that_the_server_reports_stays(client: reka.Reka, fake: FakeReka) -> None:
    learn(client, fake, FULL)
    fake.will_answer(200, completion(content="Hi") | {"usage": {**USAGE, "cost": 0.5}})

    usage = client.complete(HI, model="m").usage

    assert usage is not None
    assert usage.cost == 0.5


@pytest.mark.parametrize("pricing", [{"prompt": "0.1"}, {"prompt": "-1", "completion": "-1"}, {}, None, "free"])
def test_without_the_prices_of_input_and_output_there_is_no_cost(
    client: reka.Reka, fake: FakeReka, pricing: object
) -> None:
    learn(client, fake, {"id": "m", "pricing": pricing})
    fake.will_answer(200, completion(content="Hi") | {"usage": USAGE})

    usage = client.complete(HI, model="m").usage

    assert usage is not None
    assert usage.cost is None


def test_chat_asks_nothing_of_models_by_itself(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, {"type": "model", "text": "Hi"})

    client.chat("Hi")

    assert fake.paths == ["POST /chat"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_model_len": 8192}, {"context_length": 8192}),
        ({"context_window": 8192, "max_completion_tokens": 100}, {"context_length": 8192, "max_output_length": 100}),
        ({"context_length": "8192"}, {"context_length": 8192}),
        ({"context_length": None, "max_model_len": 5.0}, {"context_length": 5}),
        ({"top_provider": {"max_completion_tokens": 7, "context_length": 9}}, {"max_output_length": 7}),
        ({"architecture": {"input_modalities": ["text", "file"]}}, {"input_modalities": ("text", "file")}),
        (
            {"supported_parameters": ["tools", "tool_choice", "temperature", "response_format", "reasoning"]},
            {
                "supported_features": ("tools", "json_mode", "reasoning"),
                "supported_sampling_parameters": ("temperature",),
            },
        ),
        ({"input_modalities": []}, {"input_modalities": None}),
        ({"supported_features": []}, {"supported_features": ()}),
        ({"pricing": {"prompt": 0, "completion": "0"}}, {"pricing": reka.Pricing(0.0, 0.0)}),
    ],
)
def test_fields_are_read_under_the_names_of_other_servers(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    model = read_model({"id": "m", **fields})

    assert {name: getattr(model, name) for name in expected} == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"context_length": "long", "created": 5},
        {"input_modalities": "text", "owned_by": "us"},
        {"pricing": [1], "top_provider": {"context_length": 9}},
        {"name": 5, "anything": {"nested": [1]}},
        {"context_length": True},
        {"context_length": 10**400},
    ],
)
def test_a_field_without_a_place_or_of_another_type_is_kept(fields: dict[str, Any]) -> None:
    assert read_model({"id": "m", **fields}).extra == fields


def test_models_take_files_as_pdf_and_tools_under_any_name() -> None:
    model = read_model({"id": "m", "input_modalities": ["file"], "supported_features": ["function_calling"]})

    assert (model.takes("pdf"), model.takes("text"), model.supports("tools")) == (True, False, True)


def test_a_model_can_be_a_key() -> None:
    assert {read_model(FULL): 1}[read_model(FULL)] == 1
