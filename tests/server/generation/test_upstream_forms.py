"""The form of requests: OpenAI's first, that of Reka's host in 2025 where it is refused, and what is remembered."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from reka.server.generation.types import Delta, Finish, GenerationError, GenerationRequest
from reka.server.generation.upstream.backend import UpstreamBackend
from reka.testing import FakeReka, answer
from reka.testing.bodies import DONE, chunk, completion, events, tool_call
from tests.support.embedders import WordEmbedder
from tests.support.generation_requests import Ask
from tests.support.protocols import ADD, openai_tool

REFUSAL = {"error": {"message": "no such form", "type": "validation_error"}}
SYSTEM = {"role": "system", "content": "Be kind."}
USER = {"role": "user", "content": "Hi"}
URL = "https://example.org/a.png"
IMAGE = {"type": "image_url", "image_url": {"url": URL}}
EMPTY = events(chunk(role="assistant", content=""), chunk("stop")) + DONE
CALLED = completion("tool_calls", content=None, tool_calls=[tool_call("c-1", "add", a=1)])


@pytest.fixture
async def backend(fake: FakeReka, embedder: WordEmbedder) -> AsyncIterator[UpstreamBackend]:
    backend = UpstreamBackend(fake.url, model="m", count_tokens=embedder.count_tokens)
    yield backend
    await backend.close()


def forms(fake: FakeReka) -> list[str]:
    """The form of each request with tools."""
    return ["openai" if "function" in request.json["tools"][0] else "reka" for request in fake.requests]


def with_system() -> GenerationRequest:
    return GenerationRequest(messages=[SYSTEM, USER], model="m")


async def events_of(backend: UpstreamBackend, request: GenerationRequest) -> list[Delta | Finish]:
    return [event async for event in backend.stream(request)]


@pytest.mark.parametrize("status", [400, 422])
async def test_a_request_that_is_refused_is_sent_once_more_in_the_other_form(
    fake: FakeReka, backend: UpstreamBackend, status: int
) -> None:
    fake.will_answer(status, REFUSAL)
    fake.will_answer(200, completion(content="Hello"))

    assert (await backend.generate(with_system())).text == "Hello"
    first, second = (request.json["messages"] for request in fake.requests)
    assert first == [SYSTEM, USER]
    assert second == [{"role": "user", "content": "Be kind.\n\nHi"}]


async def test_a_stream_is_sent_once_more_too_and_without_its_options(fake: FakeReka, backend: UpstreamBackend) -> None:
    fake.will_answer(400, REFUSAL)
    fake.will_stream(events(chunk(content="Hello"), chunk("stop")) + DONE)

    first, _ = await events_of(backend, with_system())

    assert isinstance(first, Delta)
    assert first.fields == {"content": "Hello"}
    assert [request.json.get("stream_options") for request in fake.requests] == [{"include_usage": True}, None]


async def test_a_refusal_of_the_stream_options_is_one_of_the_form(
    fake: FakeReka, backend: UpstreamBackend, question: Ask
) -> None:
    fake.will_answer(400, {"detail": [{"loc": ["body", "stream_options"], "msg": "unknown"}]})
    fake.will_stream(events(chunk(content="Hello"), chunk("stop")) + DONE)

    await events_of(backend, question("Hi"))

    assert [request.json.get("stream_options") for request in fake.requests] == [{"include_usage": True}, None]


async def test_if_both_forms_are_refused_the_first_refusal_counts(fake: FakeReka, backend: UpstreamBackend) -> None:
    fake.will_answer(400, REFUSAL)
    fake.will_answer(500, {"error": {"message": "other"}})

    with pytest.raises(GenerationError, match="no such form") as raised:
        await backend.generate(with_system())

    assert raised.value.status == 400


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "too long", "code": "context_length_exceeded"}}),
        (400, {"error": {"message": "which?", "code": "model_not_found"}}),
        (400, {"error": {"message": "There is no model m"}}),
        (400, {"error": {"message": "P001: Insufficient Balance"}}),
        *((status, REFUSAL) for status in (401, 403, 404, 413, 429, 500)),
    ],
)
async def test_an_error_with_another_cause_is_not_one_of_the_form(
    fake: FakeReka, backend: UpstreamBackend, status: int, body: Any
) -> None:
    fake.will_answer(status, body)

    with pytest.raises(GenerationError):
        await backend.generate(with_system())

    assert len(fake.requests) == 1


async def test_what_both_forms_write_alike_is_sent_once(
    fake: FakeReka, backend: UpstreamBackend, question: Ask
) -> None:
    fake.will_answer(400, REFUSAL)

    with pytest.raises(GenerationError, match="no such form"):
        await backend.generate(question("Hi", "Hello", "How are you?"))

    assert len(fake.requests) == 1


async def test_what_the_other_form_cannot_write_is_sent_once(fake: FakeReka, backend: UpstreamBackend) -> None:
    fake.will_answer(400, REFUSAL)
    called = {"role": "assistant", "content": None, "function_call": {"name": "add", "arguments": "{}"}}
    result = {"role": "function", "name": "add", "content": "5"}

    with pytest.raises(GenerationError, match="no such form"):
        await backend.generate(GenerationRequest(messages=[USER, called, result], model="m"))

    assert len(fake.requests) == 1


async def test_a_form_that_is_set_is_the_only_one(fake: FakeReka, embedder: WordEmbedder) -> None:
    backend = UpstreamBackend(fake.url, model="m", form="openai", count_tokens=embedder.count_tokens)
    fake.will_answer(400, REFUSAL)

    with pytest.raises(GenerationError, match="no such form"):
        await backend.generate(with_system())
    await backend.close()

    assert len(fake.requests) == 1


async def test_the_form_that_tools_were_accepted_in_is_remembered_and_told(
    fake: FakeReka, backend: UpstreamBackend, question: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "reka.server")
    fake.will_answer(400, REFUSAL)
    for _ in range(2):
        fake.will_answer(200, CALLED)

    for _ in range(2):
        await backend.generate(question("Hi", tools=[ADD]))

    assert forms(fake) == ["openai", "reka", "reka"]
    assert [record.message for record in caplog.records] == ["the upstream accepts requests to m in the reka form"]


async def test_the_form_that_media_were_accepted_in_is_remembered(fake: FakeReka, backend: UpstreamBackend) -> None:
    request = GenerationRequest(messages=[{"role": "user", "content": [IMAGE]}], model="m")
    fake.will_answer(400, REFUSAL)
    for _ in range(2):
        fake.will_answer(200, completion(content="An image."))

    for _ in range(2):
        await backend.generate(request)

    parts = [request.json["messages"][0]["content"][0] for request in fake.requests]
    assert parts == [IMAGE, *[{"type": "image_url", "image_url": URL}] * 2]


async def test_text_that_was_folded_shows_nothing_about_the_host(fake: FakeReka, backend: UpstreamBackend) -> None:
    for _ in range(2):
        fake.will_answer(400, REFUSAL)
        fake.will_answer(200, completion(content="Hello"))

    for _ in range(2):
        await backend.generate(with_system())

    assert [len(request.json["messages"]) for request in fake.requests] == [2, 1, 2, 1]


async def test_a_remembered_form_that_is_refused_is_forgotten(
    fake: FakeReka, backend: UpstreamBackend, question: Ask
) -> None:
    for _ in range(2):
        fake.will_answer(400, REFUSAL)
        fake.will_answer(200, CALLED)
    fake.will_answer(200, CALLED)

    for _ in range(3):
        await backend.generate(question("Hi", tools=[ADD]))

    assert forms(fake) == ["openai", "reka", "reka", "openai", "openai"]


@pytest.mark.parametrize("empty", [EMPTY, DONE, events(chunk(role="assistant")) + DONE], ids=["finish", "done", "role"])
async def test_an_empty_stream_with_tools_is_asked_for_as_a_whole_and_that_is_remembered(
    fake: FakeReka, backend: UpstreamBackend, question: Ask, empty: bytes
) -> None:
    fake.will_stream(empty)
    for _ in range(2):
        fake.will_answer(200, CALLED)

    for _ in range(2):
        *deltas, finish = await events_of(backend, question("Hi", tools=[ADD]))

        assert any(isinstance(delta, Delta) and delta.fields.get("tool_calls") for delta in deltas)
        assert isinstance(finish, Finish)
        assert finish.finish_reason == "tool_calls"
    assert [request.json.get("stream") for request in fake.requests] == [True, None, None]
    assert forms(fake) == ["openai"] * 3


async def test_an_answer_that_is_empty_as_a_whole_too_shows_nothing_about_streams(
    fake: FakeReka, backend: UpstreamBackend, question: Ask
) -> None:
    for _ in range(2):
        fake.will_stream(EMPTY)
        fake.will_answer(200, completion(content=""))

    for _ in range(2):
        await events_of(backend, question("Hi", tools=[ADD]))

    assert [request.json.get("stream") for request in fake.requests] == [True, None, True, None]


@pytest.mark.parametrize(
    ("body", "tools"),
    [
        (events(chunk(role="assistant", content=""), chunk("length")) + DONE, [ADD]),
        (events(chunk(role="assistant", content=""), chunk(reasoning_content="Hm."), chunk("stop")) + DONE, [ADD]),
        (EMPTY, []),
    ],
    ids=["ended by its length", "reasoning", "no tools"],
)
async def test_another_stream_without_text_is_the_answer(
    fake: FakeReka, backend: UpstreamBackend, question: Ask, body: bytes, tools: list[Any]
) -> None:
    fake.will_stream(body)

    first, *_ = await events_of(backend, question("Hi", tools=tools))

    assert isinstance(first, Delta)
    assert first.fields == {"role": "assistant", "content": ""}
    assert len(fake.requests) == 1


async def test_a_cut_stream_with_tools_is_not_paid_twice(
    fake: FakeReka, backend: UpstreamBackend, question: Ask
) -> None:
    fake.will_stream(events(chunk(role="assistant", content="")))

    with pytest.raises(GenerationError, match="before it was complete"):
        await events_of(backend, question("Hi", tools=[ADD]))

    assert len(fake.requests) == 1


async def test_a_whole_answer_to_a_request_for_a_stream_may_be_empty(
    fake: FakeReka, backend: UpstreamBackend, question: Ask
) -> None:
    fake.will_answer(200, completion(content=""))

    *_, finish = await events_of(backend, question("Hi", tools=[ADD]))

    assert isinstance(finish, Finish)
    assert len(fake.requests) == 1


async def test_a_stream_of_half_a_character_alone_is_not_empty(
    fake: FakeReka, backend: UpstreamBackend, question: Ask
) -> None:
    fake.will_stream(b'data: {"choices": [{"delta": {"content": "\\ud83d"}, "finish_reason": "stop"}]}\n\n', DONE)

    deltas = [event for event in await events_of(backend, question("Hi", tools=[ADD])) if isinstance(event, Delta)]

    assert "".join(delta.fields.get("content", "") for delta in deltas) == "\ufffd"
    assert len(fake.requests) == 1


async def test_a_request_with_all_its_fallbacks_is_sent_at_most_four_times(
    fake: FakeReka, backend: UpstreamBackend, question: Ask
) -> None:
    fake.will_answer(400, REFUSAL)
    fake.will_answer(200, CALLED)
    await backend.generate(question("Hi", tools=[ADD]))
    fake.requests.clear()
    fake.will_answer(400, {"error": {"message": "in the form of 2025"}})
    fake.will_stream(EMPTY)
    fake.otherwise = answer(400, {"detail": "what happened"})

    with pytest.raises(GenerationError):
        await events_of(backend, question("Hi", tools=[ADD]))

    assert forms(fake) == ["reka", "openai", "openai", "reka"]


async def test_an_upstream_of_the_form_of_2025_gets_tools_in_no_stream(
    fake: FakeReka, embedder: WordEmbedder, question: Ask
) -> None:
    backend = UpstreamBackend(fake.url, model="m", form="reka", count_tokens=embedder.count_tokens)
    fake.will_answer(200, CALLED)

    await events_of(backend, question("Hi", tools=[ADD]))
    await backend.close()

    assert "stream" not in fake.requests[0].json
    assert fake.requests[0].json["tools"] == [ADD] != [openai_tool(ADD)]
