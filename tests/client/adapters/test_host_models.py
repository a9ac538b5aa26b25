"""What a server says of its models: asked once, with an adapter's first call, and known to all of its clients."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

import reka
from reka.adapters import ClientSettings, Refusals, SharedClients, host_models
from reka.endpoint import Server
from reka.testing import FakeReka, answer, say_nothing
from reka.testing.bodies import completion
from tests.support.clients import KEY
from tests.support.completions import HI, TOOL

LISTED: Final = {
    "data": [
        {"id": "m", "input_modalities": ["text"], "supported_features": [], "context_length": 9},
        {"id": "reka-edge-2603"},
    ]
}
CHAT: Final = "POST /v1/chat/completions"
IMAGE: Final[dict[str, Any]] = {"type": "image_url", "image_url": "https://x.example/cat.png"}


@pytest.fixture
def clients() -> Iterator[SharedClients]:
    host_models.forget()
    clients = SharedClients()
    yield clients
    clients.close()


def settings_for(fake: FakeReka, refusals: Refusals | None = "host", **more: Any) -> ClientSettings:
    return ClientSettings(KEY, fake.url, max_retries=0, refusals=refusals, **more)


def test_the_first_call_asks_and_no_other_one(clients: SharedClients, fake: FakeReka) -> None:
    fake.will_answer(200, LISTED)
    fake.otherwise = answer(200, completion(content="Hello"))
    settings = settings_for(fake)

    async def complete() -> None:
        async with SharedClients().aio(settings) as client:
            await client.complete(HI)

    for _ in range(2):
        clients.sync(settings).complete(HI)
    asyncio.run(complete())
    list(clients.sync(settings_for(fake, timeout=20.0)).stream_messages(HI))

    assert fake.paths == ["GET /v1/models", *[CHAT] * 4]


def test_first_calls_at_the_same_time_ask_once(clients: SharedClients, fake: FakeReka) -> None:
    fake.will_answer(200, LISTED)
    fake.otherwise = answer(200, completion(content="Hello"))
    client = clients.sync(settings_for(fake))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.complete(HI).text, range(8)))

    assert answers == ["Hello"] * 8
    assert fake.paths == ["GET /v1/models", *[CHAT] * 8]


def test_a_first_call_that_is_cancelled_leaves_the_question_to_the_next(fake: FakeReka) -> None:
    host_models.forget()
    fake.will_give(say_nothing)
    fake.will_answer(200, LISTED)
    fake.otherwise = answer(200, completion(content="Hello"))

    async def calls() -> str:
        async with SharedClients().aio(settings_for(fake)) as client:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.complete(HI), 0.1)
            return (await client.complete(HI)).text

    assert asyncio.run(calls()) == "Hello"
    assert fake.paths == ["GET /v1/models", "GET /v1/models", CHAT]


@pytest.mark.prove
def test_a_first_call_of_a_loop_that_has_been_stopped_holds_others_up_once(
    clients: SharedClients, fake: FakeReka
) -> None:
    fake.will_give(say_nothing)
    fake.otherwise = answer(200, completion(content="Hello"))
    loop = asyncio.new_event_loop()
    task = loop.create_task(SharedClients().aio(settings_for(fake)).complete(HI))
    while not fake.requests:
        loop.run_until_complete(asyncio.sleep(0.01))

    client = clients.sync(settings_for(fake))
    client.complete(HI)
    began = time.monotonic()
    assert client.complete(HI).text == "Hello"
    assert time.monotonic() - began < 2

    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.mark.parametrize("status", [200, 401, 429, 500, 503])
def test_a_failure_is_silent_and_not_repeated(clients: SharedClients, fake: FakeReka, status: int) -> None:
    fake.will_answer(status, b"<html>")
    fake.otherwise = answer(200, completion(content="Hello"))

    for _ in range(2):
        assert clients.sync(settings_for(fake)).complete(HI, model="m").text == "Hello"

    assert fake.paths == ["GET /v1/models", CHAT, CHAT]


@pytest.mark.parametrize("status", [404, 405, 410, 501])
def test_a_server_without_the_one_list_is_asked_for_the_other(
    clients: SharedClients, fake: FakeReka, status: int
) -> None:
    fake.will_answer(status)
    fake.will_answer(status)
    fake.otherwise = answer(200, completion(content="Hello"))

    for _ in range(2):
        assert clients.sync(settings_for(fake)).complete(HI).text == "Hello"

    assert fake.paths == ["GET /v1/models", "GET /models", CHAT, CHAT]


def test_a_list_that_does_not_come_is_given_up_before_the_call(clients: SharedClients, fake: FakeReka) -> None:
    fake.will_give(say_nothing)
    fake.otherwise = answer(200, completion(content="Hello"))

    assert clients.sync(settings_for(fake, timeout=1.0)).complete(HI).text == "Hello"
    assert fake.paths == ["GET /v1/models", CHAT]


def test_settings_without_refusals_ask_nothing(clients: SharedClients, fake: FakeReka) -> None:
    fake.will_answer(200, completion(content="Hello"))

    clients.sync(settings_for(fake, None)).complete(HI)

    assert fake.paths == [CHAT]


def test_what_is_known_of_a_model_is_read_without_asking(clients: SharedClients, fake: FakeReka) -> None:
    settings = settings_for(fake)
    fake.will_answer(200, LISTED)
    fake.otherwise = answer(200, completion(content="Hello"))

    before = settings.known_model("m"), settings.known_model("reka-edge-2603")
    assert fake.paths == []
    clients.sync(settings).complete(HI)
    after = settings.known_model("m"), settings.known_model("reka-edge-2603")

    assert [model and model.context_length for model in (*before, *after)] == [None, 16_384, 9, 16_384]
    assert ClientSettings("another-key", fake.url).known_model("m") is None


def test_the_default_that_a_server_lacks_is_known_as_the_model_that_takes_its_place(
    clients: SharedClients, fake: FakeReka
) -> None:
    settings = settings_for(fake)
    listed = {"data": [{"id": "reka-flash-3", "context_length": 7}]}
    fake.will_answer(200, listed)
    fake.will_answer(404, {"error": {"message": "there is no model reka-flash", "type": "not_found_error"}})
    fake.will_answer(200, listed)
    fake.otherwise = answer(200, completion(content="Hello"))

    clients.sync(settings).complete(HI)

    model = settings.known_model("reka-flash")
    assert model is not None
    assert (model.id, model.context_length) == ("reka-flash-3", 7)


@pytest.mark.parametrize("base_url", ["local", "local:~nobody-here/x", None])
def test_a_server_that_cannot_be_called_or_does_not_run_is_known_by_the_table(base_url: str | None) -> None:
    model = ClientSettings(None, base_url).known_model("reka-edge")

    assert model is not None
    assert model.context_length == 16_384


def test_a_model_of_a_server_that_does_not_run_starts_none() -> None:
    program = (
        "import sys\nfrom reka.adapters import ClientSettings\n"
        "ClientSettings(base_url='local').known_model('m')\nassert 'reka.server' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("refusals", "model", "image", "tools"),
    [
        ("none", "m", False, False),
        ("host", "m", True, True),
        ("table", "m", True, True),
        ("host", "reka-flash-3", False, False),
        ("table", "reka-flash-3", True, False),
        ("table", "reka-edge-2603", False, False),
    ],
)
def test_the_first_call_already_refuses_what_the_model_does_not_take(
    clients: SharedClients, fake: FakeReka, refusals: Refusals, model: str, image: bool, tools: bool
) -> None:
    fake.listing = answer(200, LISTED)
    fake.otherwise = answer(200, completion(content="Hello"))
    client = clients.sync(settings_for(fake, refusals))

    asked = {"message 0": ([{"role": "user", "content": [IMAGE]}], None), "tools": (HI, [TOOL])}
    refused = []
    for messages, offered in asked.values():
        try:
            client.complete(messages, model=model, tools=offered)
        except reka.UnsupportedRequestError as error:
            refused.append(error.message.partition(":")[0])

    assert refused == [place for place, is_refused in zip(asked, (image, tools), strict=True) if is_refused]
    assert len(fake.requests) == 2 - len(refused)


def test_servers_are_forgotten_one_by_one_when_there_are_many() -> None:
    host_models.forget()
    first = Server("http://127.0.0.1:1", KEY)
    models = host_models.models_of(first)
    assert host_models.models_of(first) is models

    for number in range(100):
        host_models.models_of(Server("http://127.0.0.1:1", f"{KEY}-{number}"))

    assert host_models.models_of(first) is not models
