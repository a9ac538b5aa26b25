"""Reasoning, log probabilities and further fields of an answer, whole and streamed."""

from typing import Any

import pytest

import reka
from reka.testing import FakeReka
from reka.testing.bodies import DONE, chunk, completion, events
from tests.support.clients import KEY, Connect
from tests.support.completions import HI

FIRST, SECOND = {"token": "Hel", "logprob": -0.1}, {"token": "lo", "logprob": -0.2}


@pytest.mark.parametrize(
    ("fields", "reasoning"),
    [
        ({"reasoning_content": "Hm."}, "Hm."),
        ({"reasoning": "Hm."}, "Hm."),
        ({"reasoning_content": "Hm.", "reasoning": "Hm."}, "Hm."),
        ({"reasoning_content": None, "reasoning": "Hm."}, "Hm."),
        ({"reasoning_content": "", "reasoning": "Hm."}, "Hm."),
        ({"reasoning": [{"type": "text", "text": "Hm."}]}, "Hm."),
        ({"reasoning": {"effort": "low"}}, ""),
    ],
)
def test_reasoning_is_read_under_either_name(
    sync_client: reka.Reka, fake: FakeReka, fields: dict[str, Any], reasoning: str
) -> None:
    fake.will_answer(200, completion(content="42", **fields))
    fake.will_stream(events(chunk(**fields), chunk(content="42"), chunk("stop")), DONE)

    whole = sync_client.complete(HI)
    streamed = list(sync_client.stream_messages(HI))

    assert whole.reasoning == reasoning
    assert [event for event in streamed if isinstance(event, reka.ReasoningDelta)] == (
        [reka.ReasoningDelta(reasoning)] if reasoning else []
    )
    assert (whole.text, whole.extra) == ("42", {})


def test_a_delta_with_reasoning_and_text_gives_the_reasoning_first(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_stream(events(chunk("stop", role="assistant", content="42", reasoning="Hm.")))

    assert list(client.stream_messages(HI))[:2] == [reka.ReasoningDelta("Hm."), reka.TextDelta("42")]


def test_log_probabilities_are_passed_on_and_put_together_in_streams(client: reka.Reka, fake: FakeReka) -> None:
    whole = completion(content="Hello")
    whole["choices"][0]["logprobs"] = {"content": [FIRST, SECOND], "refusal": None}
    chunks = [chunk(content="Hel"), chunk(content="lo"), chunk("stop")]
    for document, logprobs in zip(chunks, ([FIRST], [SECOND], None), strict=True):
        document["choices"][0]["logprobs"] = logprobs and {"content": logprobs, "refusal": None}
    fake.will_answer(200, whole)
    fake.will_stream(events(*chunks), DONE)
    fake.will_answer(200, whole)

    answer = client.complete(HI, extra_request_args={"logprobs": True})
    streamed = list(client.stream_messages(HI))
    in_one_step = list(client.stream_messages(HI))

    assert answer.logprobs == {"content": [FIRST, SECOND], "refusal": None}
    assert answer.extra == {}
    assert streamed[-1] == reka.Finish("stop", "reka-flash", "c-1", logprobs=answer.logprobs)
    assert in_one_step[-1] == reka.Finish("stop", "reka-flash", "c-1", logprobs=answer.logprobs)


def test_an_answer_without_log_probabilities_has_none(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, completion(content="Hello"))

    assert client.complete(HI).logprobs is None


def test_further_fields_are_kept_wherever_they_stand(client: reka.Reka, fake: FakeReka) -> None:
    document = completion(content="Hello", refusal=None, reasoning_steps=[{"step": 1}])
    document["provider"] = "p"
    document["choices"][0]["stop_reason"] = 7
    fake.will_answer(200, document)
    fake.will_answer(200, document)

    extra = {"provider": "p", "stop_reason": 7, "refusal": None, "reasoning_steps": [{"step": 1}]}
    assert client.complete(HI).extra == extra
    assert list(client.stream_messages(HI))[-1] == reka.Finish("stop", "reka-flash", "c-1", extra=extra)


def test_further_fields_of_a_streams_deltas_are_put_together(client: reka.Reka, fake: FakeReka) -> None:
    last = chunk("stop", refusal="not.")
    last["provider"] = "p"
    last["choices"][0]["stop_reason"] = 7
    fake.will_stream(
        events(
            chunk(content="Hel", reasoning_steps=[{"step": 1}], audio={"type": "x", "id": "a", "data": "AB"}, role="r"),
            chunk(content="lo", reasoning_steps=[{"step": 2}], audio={"type": "x", "data": "CD"}, tools=None),
            chunk(refusal="I will "),
            last,
            {"choices": [], "service_tier": "default", "usage": None},
        ),
        DONE,
    )

    assert list(client.stream_messages(HI))[-1] == reka.Finish(
        "stop",
        "reka-flash",
        "c-1",
        extra={
            "reasoning_steps": [{"step": 1}, {"step": 2}],
            "audio": {"type": "x", "id": "a", "data": "ABCD"},
            "refusal": "I will not.",
            "provider": "p",
            "stop_reason": 7,
            "service_tier": "default",
        },
    )


@pytest.mark.parametrize("place", ["chunk", "delta"])
def test_a_streams_retrieved_chunks_are_read_where_they_stand(client: reka.Reka, fake: FakeReka, place: str) -> None:
    chunks = {"retrieved_chunks": [{"text": "t"}]}
    fake.will_stream(events(chunk("stop", **chunks) if place == "delta" else chunk("stop") | chunks))

    assert list(client.stream_messages(HI))[-1] == reka.Finish("stop", "reka-flash", "c-1", None, [{"text": "t"}])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(rb'{"text": "a\ud800b"}', "a\ufffdb", id="lone"),
        pytest.param(rb'{"text": "\uD83D\uDE00"}', "😀", id="a-pair"),
        pytest.param(rb'{"text": "\uDE00\uD83D"}', "\ufffd\ufffd", id="the-wrong-way-round"),
        pytest.param(rb'{"text": "a\\ud800"}', r"a\ud800", id="an-escaped-escape"),
        pytest.param(b'{"text": "a\xed\xa0\x80b"}', "a\ufffd\ufffd\ufffdb", id="bytes"),
        pytest.param('{"text": "aä"}'.encode("utf-8-sig"), "aä", id="byte-order-mark"),
    ],
)
def test_text_that_utf_8_cannot_hold_is_readable(connect: Connect, fake: FakeReka, body: bytes, text: str) -> None:
    streamed = body.removeprefix(b"\xef\xbb\xbf").replace(b'"text"', b'"content"')
    fake.will_answer(200, body, {"Content-Type": "application/json"})
    fake.will_answer(200, b'{"choices": [{"message": %b}]}' % streamed, {"Content-Type": "application/json"})
    fake.will_stream(b'data: {"choices": [{"delta": %b, "finish_reason": "stop"}]}\n\n' % streamed)

    with connect(KEY, fake.url, api="v0") as v0, connect(KEY, fake.url, api="v1") as v1:
        answers = [v0.chat("Hi")["text"], v1.complete(HI).text, "".join(event.text for event in v1.stream("Hi"))]

    assert answers == [text] * 3
    assert text.encode()


@pytest.mark.parametrize(
    "separator",
    [pytest.param((b"data: ", b"\n\n"), id="lf"), pytest.param((b"data:", b"\r\n\r\n"), id="crlf-and-no-space")],
)
@pytest.mark.parametrize("cut", [0, 1, 2], ids=["whole", "no-empty-line", "no-line-end"])
def test_a_stream_may_end_without_its_last_empty_line(
    client: reka.Reka, fake: FakeReka, separator: tuple[bytes, bytes], cut: int
) -> None:
    start, end = separator
    stream = events(chunk(content="Hel"), chunk("stop", content="lo")).replace(b"data: ", start).replace(b"\n\n", end)
    fake.will_stream(stream[: len(stream) - cut * len(end) // 2])
    fake.will_stream(stream, start + b"[DONE]" + end[: len(end) - cut * len(end) // 2])

    for _ in range(2):
        assert "".join(event.text for event in client.stream("Hi")) == "Hello"
