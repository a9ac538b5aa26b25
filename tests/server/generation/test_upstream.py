"""The backend that asks an upstream: requests, answers, connections."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from reka._protocol.answers.budgets import MAX_ANSWER_BYTES
from reka.server.generation.concurrency import ConcurrencyLimiter
from reka.server.generation.factory import make_backend
from reka.server.generation.types import GenerationError, GenerationResult, Snippet
from reka.server.generation.upstream.backend import UpstreamBackend
from reka.server.generation.upstream.http import key_headers, upstream_url
from reka.server.settings import Settings
from reka.server.telemetry.metrics import Metrics
from reka.testing import FakeReka
from tests.support.embedders import WordEmbedder
from tests.support.generation_requests import Ask

KEY = "upstream-key-91c2"
COMPLETION = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "John."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
}


@pytest.fixture
async def backend(fake: FakeReka, embedder: WordEmbedder) -> AsyncIterator[UpstreamBackend]:
    backend = UpstreamBackend(fake.url, model="big-model", key=KEY, count_tokens=embedder.count_tokens)
    yield backend
    await backend.close()


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("http://host:8000", "http://host:8000/v1"),
        ("http://host:8000/", "http://host:8000/v1"),
        ("http://host:8000/v1", "http://host:8000/v1"),
        ("http://host:8000/v1/", "http://host:8000/v1"),
        (" https://host/v1/chat/completions ", "https://host/v1"),
        ("https://host/v1beta/openai/", "https://host/v1beta/openai"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
    ],
)
def test_an_address_is_brought_to_one_form(address: str, url: str) -> None:
    assert upstream_url(address) == url


@pytest.mark.parametrize(
    "address",
    [
        "",
        "host:8000",
        "ftp://host",
        "http://",
        "http://user:secret@host",
        "http://host?x=1",
        "http://host:99999",
        "http://[x",
    ],
)
def test_what_is_no_address_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(ValueError, match=r"http://127\.0\.0\.1:11434/v1") as raised:
        upstream_url(address)

    assert "upstream" in str(raised.value)


async def test_a_question_becomes_one_chat_request(fake: FakeReka, backend: UpstreamBackend, question: Ask) -> None:
    fake.will_answer(200, COMPLETION)

    answer = await backend.generate(question("Hi, my name is John.", "Hi!", "What was my name?"))

    assert answer == GenerationResult("John.", "stop", 12, 3)
    (request,) = fake.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.json == {
        "model": "big-model",
        "messages": [
            {"role": "user", "content": "Hi, my name is John."},
            {"role": "assistant", "content": "Hi!"},
            {"role": "user", "content": "What was my name?"},
        ],
    }


async def test_every_parameter_that_was_given_is_sent_and_no_other(
    fake: FakeReka, backend: UpstreamBackend, question: Ask
) -> None:
    given = {
        "max_tokens": 9,
        "temperature": 0.0,
        "seed": 0,
        "top_k": 5,
        "top_p": 0.5,
        "frequency_penalty": 0.1,
        "presence_penalty": -0.2,
        "reasoning_effort": "high",
    }
    fake.will_answer(200, COMPLETION)

    await backend.generate(question("Hi", **given, length_penalty=1.5, stop=["END"]))

    body = fake.requests[0].json
    del body["messages"], body["model"]
    assert body == {**given, "stop": ["END"]}


async def test_snippets_are_in_the_prompt(fake: FakeReka, backend: UpstreamBackend, question: Ask) -> None:
    fake.will_answer(200, COMPLETION)

    await backend.generate(question("Hi", snippets=[Snippet("Cats purr.", "cats.txt", 1, 1)]))

    assert '{"source": "cats.txt", "text": "Cats purr."}' in fake.requests[0].json["messages"][0]["content"]


async def test_without_a_key_none_is_sent(fake: FakeReka, embedder: WordEmbedder, question: Ask) -> None:
    settings = Settings(upstream=fake.url, upstream_model="m")
    backend = make_backend(settings, embedder, ConcurrencyLimiter(1, 0, 1), Metrics())
    fake.will_answer(200, COMPLETION)

    await backend.generate(question("Hi"))
    await backend.close()

    assert "authorization" not in fake.requests[0].headers
    assert backend.language_model == "m"


@pytest.mark.parametrize(
    "listed",
    [{"object": "list", "data": [{"id": "first"}, {"id": "second"}]}, [{"id": "first"}], ["first", "second"]],
    ids=["openai", "objects", "names"],
)
async def test_without_a_model_the_first_that_is_listed_is_used_and_asked_for_once(
    fake: FakeReka, embedder: WordEmbedder, question: Ask, listed: object
) -> None:
    backend = UpstreamBackend(fake.url, key=KEY, count_tokens=embedder.count_tokens)
    assert backend.language_model == f"default model of {fake.url}/v1"
    fake.will_answer(200, listed)
    fake.will_answer(200, COMPLETION)
    fake.will_answer(200, COMPLETION)

    await asyncio.gather(backend.generate(question("Hi")), backend.generate(question("Hi")))
    await backend.close()

    assert sorted(fake.paths) == ["GET /v1/models", "POST /v1/chat/completions", "POST /v1/chat/completions"]
    assert [request.json["model"] for request in fake.requests[1:]] == ["first", "first"]
    assert backend.language_model == "first"


@pytest.mark.parametrize("listed", [{"data": []}, [], {"data": [{}]}, {}, "x", 5], ids=repr)
async def test_an_upstream_that_lists_no_model_is_told_with_the_way_out(
    fake: FakeReka, embedder: WordEmbedder, question: Ask, listed: object
) -> None:
    backend = UpstreamBackend(fake.url, count_tokens=embedder.count_tokens)
    fake.will_answer(200, listed)

    with pytest.raises(GenerationError, match="--upstream-model") as raised:
        await backend.generate(question("Hi"))
    await backend.close()

    assert raised.value.status == 502


@pytest.mark.parametrize(("status", "ours"), [(401, 502), (503, 503)])
async def test_an_error_of_the_upstream_becomes_one_of_ours_and_the_request_is_sent_once(
    fake: FakeReka, backend: UpstreamBackend, question: Ask, status: int, ours: int
) -> None:
    fake.will_answer(status, {"error": {"message": f"not with {KEY}"}}, headers={"Retry-After": "7"})

    with pytest.raises(GenerationError, match=r"not with \*\*\*") as raised:
        await backend.generate(question("Hi"))

    assert raised.value.status == ours
    assert fake.url in raised.value.detail
    assert len(fake.requests) == 1


async def test_a_redirect_within_the_origin_is_followed_with_the_question(
    fake: FakeReka, backend: UpstreamBackend, question: Ask
) -> None:
    fake.will_answer(307, b"", headers={"Location": "/v2/chat/completions"})
    fake.will_answer(200, COMPLETION)

    answer = await backend.generate(question("Hi"))

    assert answer.text == "John."
    assert fake.paths == ["POST /v1/chat/completions", "POST /v2/chat/completions"]
    assert fake.requests[1].json == fake.requests[0].json
    assert fake.requests[1].headers["authorization"] == f"Bearer {KEY}"


async def test_neither_key_nor_question_follows_a_redirect_to_another_origin(
    fake: FakeReka, backend: UpstreamBackend, question: Ask
) -> None:
    elsewhere = FakeReka()
    fake.will_answer(307, b"", headers={"Location": f"{elsewhere.url}/v1/chat/completions"})

    with pytest.raises(GenerationError, match="another origin") as raised:
        await backend.generate(question("Hi"))
    elsewhere.close()

    assert raised.value.status == 502
    assert elsewhere.requests == []


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_redirect_that_would_change_the_question_is_refused(
    fake: FakeReka, backend: UpstreamBackend, question: Ask, status: int
) -> None:
    fake.will_answer(status, b"", headers={"Location": f"{fake.url}/v2/chat/completions"})

    with pytest.raises(GenerationError, match="a POST cannot follow it"):
        await backend.generate(question("Hi"))

    assert len(fake.requests) == 1


async def test_redirects_in_a_circle_end(fake: FakeReka, backend: UpstreamBackend, question: Ask) -> None:
    for place in range(20):
        fake.will_answer(308, b"", headers={"Location": f"/v1/{place % 2}"})

    with pytest.raises(GenerationError, match="in a circle"):
        await backend.generate(question("Hi"))

    assert len(fake.requests) == 5


async def test_the_proxy_of_the_environment_is_chosen_as_the_client_chooses_it(
    fake: FakeReka, embedder: WordEmbedder, question: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("all_proxy", fake.url.removeprefix("http://"))
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    through = UpstreamBackend("http://model.example:8000", model="m", count_tokens=embedder.count_tokens)
    past = UpstreamBackend(fake.url, model="m", count_tokens=embedder.count_tokens)
    for _ in range(2):
        fake.will_answer(200, COMPLETION)

    for backend in (through, past):
        await backend.generate(question("Hi"))
        await backend.close()

    assert fake.paths == ["POST http://model.example:8000/v1/chat/completions", "POST /v1/chat/completions"]


async def test_usage_that_is_missing_is_counted(
    fake: FakeReka, backend: UpstreamBackend, embedder: WordEmbedder, question: Ask
) -> None:
    fake.will_answer(200, {"choices": [{"message": {"content": "One two."}}]})

    answer = await backend.generate(question("Hi there", media_url="data:image/png;base64,AAAA"))

    assert answer == GenerationResult("One two.", "stop", embedder.count_tokens("Hi there"), 3)


@pytest.mark.parametrize(
    "usage", [[1], "many", {"prompt_tokens": "inf"}, {"prompt_tokens": 1, "completion_tokens": None}]
)
async def test_usage_that_cannot_be_read_is_counted(
    fake: FakeReka, backend: UpstreamBackend, question: Ask, usage: object
) -> None:
    fake.will_answer(200, {**COMPLETION, "usage": usage})

    answer = await backend.generate(question("Hi"))

    assert (answer.text, answer.output_tokens) == ("John.", 2)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": None}, ""),
        ({}, ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]}, "ab"),
    ],
    ids=["null", "absent", "parts"],
)
async def test_content_in_its_other_forms_is_read(
    fake: FakeReka, backend: UpstreamBackend, question: Ask, message: object, text: str
) -> None:
    fake.will_answer(200, {"choices": [{"message": message, "finish_reason": "length"}]})

    answer = await backend.generate(question("Hi"))

    assert (answer.text, answer.finish_reason) == (text, "length")


async def test_an_upstream_that_is_not_there_is_a_bad_gateway(embedder: WordEmbedder, question: Ask) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        backend = UpstreamBackend(url, model="m", key=KEY, count_tokens=embedder.count_tokens)

        with pytest.raises(GenerationError, match=f"no answer from the upstream {url}/v1: cannot connect") as raised:
            await backend.generate(question("Hi"))
        await backend.close()

    assert raised.value.status == 502


async def test_a_connection_that_breaks_is_a_bad_gateway(
    fake: FakeReka, backend: UpstreamBackend, question: Ask
) -> None:
    fake.will_give(lambda handler: handler.connection.shutdown(socket.SHUT_RDWR))

    with pytest.raises(GenerationError, match="no answer from the upstream") as raised:
        await backend.generate(question("Hi"))

    assert raised.value.status == 502


async def test_an_upstream_without_tls_is_told_apart_from_one_that_is_not_there(
    fake: FakeReka, embedder: WordEmbedder, question: Ask
) -> None:
    address = fake.url.replace("http:", "https:")
    backend = UpstreamBackend(address, model="m", key=KEY, count_tokens=embedder.count_tokens)

    with pytest.raises(GenerationError, match="TLS failed") as raised:
        await backend.generate(question("Hi"))
    await backend.close()

    assert raised.value.status == 502


async def test_an_answer_without_end_is_not_read_to_its_end(
    fake: FakeReka, backend: UpstreamBackend, question: Ask
) -> None:
    fake.will_answer(200, b" " * (MAX_ANSWER_BYTES + 1))

    with pytest.raises(GenerationError, match="an answer of more than") as raised:
        await backend.generate(question("Hi"))

    assert raised.value.status == 502


async def test_an_upstream_that_stays_silent_is_a_gateway_timeout(embedder: WordEmbedder, question: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        backend = UpstreamBackend(
            f"http://127.0.0.1:{silent.getsockname()[1]}",
            model="m",
            count_tokens=embedder.count_tokens,
            read_timeout=0.05,
        )

        with pytest.raises(GenerationError, match="did not answer in time") as raised:
            await backend.generate(question("Hi"))
        await backend.close()

    assert raised.value.status == 504


async def test_questions_share_a_connection(fake: FakeReka, backend: UpstreamBackend, question: Ask) -> None:
    for _ in range(3):
        fake.will_answer(200, COMPLETION)
        await backend.generate(question("Hi"))

    assert fake.connections == 1


async def test_a_proxy_of_the_environment_is_used_unless_the_host_is_excepted(
    fake: FakeReka, embedder: WordEmbedder, question: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", fake.url)
    monkeypatch.setenv("NO_PROXY", "excepted.invalid")
    backend = UpstreamBackend("http://upstream.invalid", model="m", key=KEY, count_tokens=embedder.count_tokens)
    fake.will_answer(200, COMPLETION)

    answer = await backend.generate(question("Hi"))
    await backend.close()

    assert answer.text == "John."
    assert fake.paths == ["POST http://upstream.invalid/v1/chat/completions"]


def test_a_key_goes_in_both_headers_to_rekas_host_and_in_one_to_others() -> None:
    assert key_headers("https://api.reka.ai/v1", "k") == {"Authorization": "Bearer k", "X-Api-Key": "k"}
    assert key_headers("https://api.reka.ai.example/v1", "k") == {"Authorization": "Bearer k"}
    assert key_headers("https://api.reka.ai/v1", None) == {}


@pytest.mark.parametrize("key", ["with space inside\n", "ключ", " padded "])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(embedder: WordEmbedder, key: str) -> None:
    with pytest.raises(ValueError, match="upstream_key") as raised:
        UpstreamBackend("http://host", key=key, count_tokens=embedder.count_tokens)

    assert key.strip() not in str(raised.value)


def test_the_key_is_not_in_the_text_form(embedder: WordEmbedder) -> None:
    assert KEY not in repr(UpstreamBackend("http://host", key=KEY, count_tokens=embedder.count_tokens))


async def test_closing_twice_and_closing_unused_is_fine(fake: FakeReka, backend: UpstreamBackend) -> None:
    await backend.close()
    await backend.close()
