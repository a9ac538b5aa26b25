"""Answers of an upstream that are none: each is a bad gateway, and never a failure of the server."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from reka.server.generation.types import GenerationError
from reka.server.generation.upstream.backend import UpstreamBackend
from reka.testing import FakeReka
from reka.testing.bodies import DONE
from tests.support.embedders import WordEmbedder
from tests.support.generation_requests import Ask


@pytest.fixture
async def backend(fake: FakeReka, embedder: WordEmbedder) -> AsyncIterator[UpstreamBackend]:
    backend = UpstreamBackend(fake.url, model="big-model", count_tokens=embedder.count_tokens)
    yield backend
    await backend.close()


ANSWERS: dict[str, bytes] = {
    "nothing": b"",
    "html": b"<html>welcome</html>",
    "text": b"hello",
    "bytes": bytes(range(256)),
    "not UTF-8": b"\xff\xfe",
    "list": b"[]",
    "null": b"null",
    "string": b'"text"',
    "empty": b"{}",
    "no choices": b'{"choices": []}',
    "choices of another type": b'{"choices": 5}',
    "no message": b'{"choices": [{}]}',
    "message of another type": b'{"choices": [{"message": "text"}]}',
    "content of another type": b'{"choices": [{"message": {"content": 5}}]}',
    "part of another type": b'{"choices": [{"message": {"content": ["x"]}}]}',
    "calls of another type": b'{"choices": [{"message": {"content": "", "tool_calls": 5}}]}',
    "a call without a function": b'{"choices": [{"message": {"content": "", "tool_calls": [{}]}}]}',
    "deep": b"[" * 100_000,
    "half": b'{"choices": [{"message": {"content": "x"',
}


@pytest.mark.parametrize("body", ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_that_is_no_completion_is_a_bad_gateway(
    fake: FakeReka, backend: UpstreamBackend, question: Ask, body: bytes
) -> None:
    fake.will_answer(200, body)

    with pytest.raises(GenerationError, match="cannot be read") as raised:
        await backend.generate(question("Hi"))

    assert raised.value.status == 502


async def test_a_whole_answer_to_a_stream_that_is_no_completion_is_a_bad_gateway(
    fake: FakeReka, backend: UpstreamBackend, question: Ask
) -> None:
    fake.will_answer(200, {"choices": 5})

    with pytest.raises(GenerationError, match="cannot be read") as raised:
        await anext(backend.stream(question("Hi")))

    assert raised.value.status == 502


def chunk(**delta: Any) -> bytes:
    """A chunk of a stream."""
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta, 'finish_reason': None}]})}\n\n".encode()


STREAMS: dict[str, bytes] = {
    "nothing": b"",
    "html": b"<html>welcome</html>",
    "done at once": DONE,
    "no json": b"data: hello\n\n",
    "a list": b"data: []\n\n",
    "text": b'data: "x"\n\n',
    "choices of another type": b'data: {"choices": 5}\n\n',
    "a choice of another type": b'data: {"choices": [5]}\n\n',
    "content of another type": chunk(content=5),
    "calls of another type": chunk(tool_calls=5),
    "a call of another type": chunk(tool_calls=[5]),
    "a function of another type": chunk(tool_calls=[{"index": 0, "function": 5}]),
    "a name of another type": chunk(tool_calls=[{"index": 0, "function": {"name": 5}}]),
    "an index of another type": chunk(tool_calls=[{"index": "first"}]),
    "comments alone": b": ping\n\n: ping\n\n",
}


@pytest.mark.parametrize("body", STREAMS.values(), ids=STREAMS)
async def test_a_stream_without_an_answer_is_a_bad_gateway(
    fake: FakeReka, backend: UpstreamBackend, question: Ask, body: bytes
) -> None:
    fake.will_stream(*([body] if body else []))

    with pytest.raises(GenerationError, match="the upstream") as raised:
        await anext(backend.stream(question("Hi")))

    assert raised.value.status == 502
