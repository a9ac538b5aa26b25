"""A model that the server does not have: the default is replaced, a named one is told with what there is."""

import logging
from collections.abc import Callable
from contextlib import closing

import pytest

import reka
from reka._protocol.errors import is_missing_model
from reka.testing import FakeReka, answer
from reka.testing.bodies import DONE, chunk, completion, events
from tests.support.clients import KEY, Connect
from tests.support.completions import HI, TOOL
from tests.support.strict_host import StrictHost
from tests.support.strict_models import Model
from tests.support.strict_openai import StrictOpenAI
from tests.support.strict_reka import StrictReka

MISSING = {"error": {"message": "there is no model reka-flash", "type": "not_found_error", "code": None}}
MODELS = {"object": "list", "data": [{"id": "glm5.3"}, {"id": "reka-edge-2603"}, {"id": "reka-flash-3"}]}
V1 = "POST /v1/chat/completions"


def test_the_default_is_replaced_by_the_nearest_of_its_family_and_that_is_remembered(
    client: reka.Reka, fake: FakeReka, caplog: pytest.LogCaptureFixture
) -> None:
    fake.will_answer(404, MISSING)
    fake.will_answer(200, MODELS)
    for _ in range(2):
        fake.will_answer(200, completion(content="Hello"))

    first, _ = client.complete(HI), client.complete(HI)

    assert first.text == "Hello"
    assert fake.paths == [V1, "GET /v1/models", V1, V1]
    assert [request.json["model"] for request in fake.requests if request.method == "POST"] == [
        "reka-flash",
        "reka-flash-3",
        "reka-flash-3",
    ]
    assert [record.levelno for record in caplog.records if record.name == "reka"] == [logging.WARNING]


def test_without_a_relative_the_first_model_is_taken(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(404, MISSING)
    fake.will_answer(200, [{"id": "alpha"}, {"id": "beta"}])
    fake.will_answer(200, {"choices": [{"message": {"content": "Hello"}}]})

    assert client.complete(HI).model == "alpha"


def test_a_model_that_the_caller_named_is_never_replaced(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(404, {"error": {"message": "The model `reka-flsh-3` does not exist", "type": "not_found_error"}})
    fake.will_answer(200, MODELS)

    with pytest.raises(reka.NotFoundError, match="the server has reka-flash-3, ") as caught:
        client.complete(HI, model="reka-flsh-3")

    assert caught.value.status_code == 404
    assert fake.paths == [V1, "GET /v1/models"]


def test_models_that_the_server_lists_itself_are_not_listed_twice(client: reka.Reka, fake: FakeReka) -> None:
    said = "There is no model 'nope': this server has reka-flash-3, reka-edge-2603."
    for names in (["reka-flash-3", "reka-edge-2603"], ["reka-flash"]):
        fake.will_answer(404, {"error": {"message": said, "type": "not_found_error"}})
        fake.will_answer(200, {"data": [{"id": name} for name in names]})

    with pytest.raises(reka.NotFoundError) as listed:
        client.complete(HI, model="nope")
    with pytest.raises(reka.NotFoundError, match=r"; the server has reka-flash$"):
        client.complete(HI, model="nope")

    assert "the server has" not in listed.value.message


def test_the_default_that_the_caller_named_is_never_replaced(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(404, MISSING)
    fake.will_answer(200, MODELS)

    with pytest.raises(reka.NotFoundError, match="the server has reka-flash-3, "):
        client.complete(HI, model="reka-flash")

    assert fake.paths == [V1, "GET /v1/models"]


def test_the_models_are_listed_at_the_documented_address_too(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(404, MISSING)
    fake.will_answer(404, {"detail": "Not Found"})
    fake.will_answer(200, ["reka-flash-3"])
    fake.will_answer(200, completion(content="Hello"))

    assert client.complete(HI).text == "Hello"
    assert fake.paths == [V1, "GET /v1/models", "GET /models", V1]


def test_a_stream_gets_another_default_too(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(404, MISSING)
    fake.will_answer(200, MODELS)
    fake.will_stream(events(chunk("stop", content="Hello")), DONE)

    assert "".join(event.text for event in client.stream("Hi")) == "Hello"
    assert fake.requests[-1].json["model"] == "reka-flash-3"


def test_another_server_gets_the_documented_default(
    connect: Connect, fake: FakeReka, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.will_answer(404, MISSING)
    fake.will_answer(200, MODELS)
    fake.will_answer(200, completion(content="Hello"))
    other = FakeReka()
    other.will_answer(200, completion(content="Hello"))

    with closing(other), connect(KEY, None) as client:
        for server in (fake, other):
            monkeypatch.setenv("REKA_BASE_URL", server.url)
            client.complete(HI)

    assert other.requests[0].json["model"] == "reka-flash"


def test_chat_says_the_same_of_a_model_at_the_endpoint_that_exists(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(400, {"detail": "There is no model 'x-1': this server has reka-flash"})
    fake.will_answer(200, MODELS)

    with pytest.raises(reka.InvalidRequestError, match="the server has "):
        client.chat("Hi", model_name="x-1")

    assert fake.paths == ["POST /chat", "GET /v1/models"]


def test_if_the_models_cannot_be_listed_the_first_error_stays(connect: Connect, fake: FakeReka) -> None:
    fake.will_answer(404, MISSING)
    fake.otherwise = answer(500, {"detail": "what happened"})

    with (
        connect(KEY, fake.url, max_retries=0) as client,
        pytest.raises(reka.NotFoundError, match="no model reka-flash"),
    ):
        client.complete(HI)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (404, None, "there is no model m-1"),
        (404, None, "The model `m-1` does not exist or you do not have access to it."),
        (400, None, "There is no model 'm-1': this server has reka-flash"),
        (400, None, "m-1: no such model"),
        (400, None, "Unknown model: m-1"),
        (400, None, "Invalid value for 'model': m-1"),
        (422, None, "model m-1 not found, try pulling it first"),
        (404, None, "You have no access to the model m-1"),
        (400, "model_not_found", "which?"),
    ],
)
def test_an_error_names_the_model_as_missing_by_its_code_or_its_words(
    status: int, code: str | None, message: str
) -> None:
    assert is_missing_model(status, code, message, "m-1")


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (404, None, "Not Found"),
        (404, None, "there is no model m-2"),
        (400, None, "Unsupported role system for model m-1"),
        (400, None, "Unknown tool_choice of model m-1"),
        (403, "model_not_found", "there is no model m-1"),
        (500, None, "there is no model m-1"),
        (None, "model_not_found", "there is no model m-1"),
    ],
)
def test_another_error_does_not_name_the_model_as_missing(status: int | None, code: str | None, message: str) -> None:
    assert not is_missing_model(status, code, message, "m-1")


@pytest.mark.parametrize("by", ["attribute", "environment"])
def test_another_default_can_be_set(
    client: reka.Reka, fake: FakeReka, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    if by == "attribute":
        monkeypatch.setattr(reka, "MODEL", "mine")
    else:
        monkeypatch.setenv("REKA_MODEL", "mine")
    fake.will_answer(200, completion(content="Hello"))

    client.complete(HI)

    assert fake.requests[0].json["model"] == "mine"


@pytest.mark.parametrize(
    "body", [["a", "b"], [{"id": "a"}, {"id": "b"}], {"object": "list", "data": [{"id": "a"}, {"id": "b"}]}]
)
def test_models_are_listed_in_every_shape(client: reka.Reka, fake: FakeReka, body: object) -> None:
    fake.will_answer(200, body)

    assert client.list_models() == ["a", "b"]


def test_an_error_in_place_of_the_models_is_raised_as_the_server_reports_it(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, {"error": {"message": "the store is down", "type": "server_error"}})

    with pytest.raises(reka.ServerError, match="the store is down"):
        client.list_models()


def test_models_are_listed_at_the_address_that_the_server_has(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(404, {"detail": "Not Found"})
    fake.will_answer(200, MODELS)

    assert "reka-flash-3" in client.list_models()
    assert fake.paths == ["GET /models", "GET /v1/models"]


IMAGE = {"type": "image_url", "image_url": "https://x.example/cat.png"}
WAYS: dict[str, Callable[..., object]] = {
    "chat": lambda client, **model: client.chat("Hi", **_as_chat(model)),
    "chat about an image": lambda client, **model: client.chat("Hi", IMAGE["image_url"], **_as_chat(model)),
    "complete": lambda client, **model: client.complete(HI, **model),
    "complete with an image": lambda client, **model: client.complete([{"role": "user", "content": [IMAGE]}], **model),
    "complete with tools": lambda client, **model: client.complete(HI, tools=[TOOL], **model),
    "stream": lambda client, **model: list(client.stream("Hi", **_as_chat(model))),
    "stream_messages": lambda client, **model: list(client.stream_messages(HI, **model)),
    "stream_messages with tools": lambda client, **model: list(client.stream_messages(HI, tools=[TOOL], **model)),
}


def _as_chat(options: dict[str, str]) -> dict[str, str]:
    return {f"{name}_name": value for name, value in options.items()}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("api", ["auto", "v1"])
@pytest.mark.parametrize("kind", [StrictOpenAI, StrictReka])
def test_an_unknown_model_is_told_alike_by_every_way_to_ask(
    connect: Connect, kind: type[StrictHost], api: str, way: str
) -> None:
    with (
        kind() as host,
        connect(KEY, host.url, api=api) as client,
        pytest.raises(reka.NotFoundError, match="there is no model reka-flsh; the server has reka-flash"),
    ):
        WAYS[way](client, model="reka-flsh")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("api", ["auto", "v1"])
@pytest.mark.parametrize("kind", [StrictOpenAI, StrictReka])
def test_the_default_is_replaced_by_every_way_to_ask_in_four_requests_at_most(
    connect: Connect, kind: type[StrictHost], api: str, way: str
) -> None:
    able = Model("reka-next", modalities=frozenset({"image"}), has_tools=True)

    with kind(models=[able]) as host, connect(KEY, host.url, api=api, max_retries=0) as client:
        WAYS[way](client)

        assert len(host.requests) <= 4
        assert "reka-next" in str(host.requests[-1].json)
