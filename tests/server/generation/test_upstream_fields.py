"""Fields that the server has no use for: they pass between caller and upstream, whole and streamed."""

from typing import Any

import pytest

from reka.testing import FakeReka
from reka.testing.bodies import DONE, chunk, completion, events
from tests.support.caller import Caller
from tests.support.protocols import completion_chunks, deltas, post_completion, post_v1_chat, v1_chat_events

DETAILS = {
    "prompt_tokens_details": {"cached_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 4},
    "reasoning_tokens": 4,
    "cost": 0.00012,
    "is_byok": False,
}
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8, **DETAILS}
LOGPROBS = {"content": [{"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}]}


def choice_of(answer: Any) -> dict[str, Any]:
    (choice,) = answer.json()["choices"]
    return dict(choice)


def stream_of(*chunks: object) -> bytes:
    return events(*chunks, chunk("stop")) + DONE


@pytest.mark.parametrize("options", [None, {"include_usage": True}])
def test_the_details_of_usage_come_back_whole_and_streamed(proxy: Caller, upstream: FakeReka, options: Any) -> None:
    upstream.will_answer(200, {**completion(content="Hi"), "usage": USAGE})
    upstream.will_stream(events(chunk(content="Hi"), chunk("stop"), {"choices": [], "usage": USAGE}) + DONE)

    whole = post_completion(proxy, "Hi").json()
    *_, last = completion_chunks(post_completion(proxy, "Hi", stream=True, stream_options=options))

    assert whole["usage"] == last["usage"] == USAGE


def test_the_details_of_usage_come_back_beside_the_counts_of_the_older_families(
    proxy: Caller, upstream: FakeReka
) -> None:
    for _ in range(2):
        upstream.will_answer(200, {**completion(content="Hi"), "usage": USAGE})
    upstream.will_stream(events(chunk(content="Hi"), {**chunk("stop"), "usage": USAGE}) + DONE)
    expected = {"input_tokens": 3, "output_tokens": 5, **DETAILS}

    assert proxy.chat("Hi").json()["usage"] == expected
    assert post_v1_chat(proxy, "Hi").json()["usage"] == expected
    assert v1_chat_events(post_v1_chat(proxy, "Hi", stream=True))[-1]["usage"] == expected


def test_a_total_that_is_more_than_the_two_counts_is_kept(proxy: Caller, upstream: FakeReka) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 20}
    upstream.will_answer(200, {**completion(content="Hi"), "usage": usage})

    assert post_completion(proxy, "Hi").json()["usage"] == usage


def test_details_without_counts_come_back_beside_counts_of_our_own(proxy: Caller, upstream: FakeReka) -> None:
    upstream.will_answer(200, {**completion(content="Hi you"), "usage": {"cost": 0.5, "total_tokens": 99}})

    assert post_completion(proxy, "Hi").json()["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "cost": 0.5,
    }


def test_logprobs_are_asked_for_and_come_back_whole_and_streamed(proxy: Caller, upstream: FakeReka) -> None:
    answered = completion(content="Hi")
    answered["choices"][0]["logprobs"] = LOGPROBS
    part = chunk(content="Hi")
    part["choices"][0]["logprobs"] = LOGPROBS
    upstream.will_answer(200, answered)
    upstream.will_stream(stream_of(part))

    whole = choice_of(post_completion(proxy, "Hi", logprobs=True, top_logprobs=3))
    streamed = completion_chunks(post_completion(proxy, "Hi", logprobs=True, top_logprobs=3, stream=True))

    assert whole["logprobs"] == LOGPROBS
    assert [event["choices"][0].get("logprobs") for event in streamed] == [LOGPROBS, None]
    assert all(sent.json["logprobs"] is True and sent.json["top_logprobs"] == 3 for sent in upstream.requests)


def test_logprobs_of_an_upstream_that_does_not_stream_come_in_the_stream(proxy: Caller, upstream: FakeReka) -> None:
    answered = completion(content="Hi")
    answered["choices"][0]["logprobs"] = LOGPROBS
    upstream.will_answer(200, answered)

    streamed = completion_chunks(post_completion(proxy, "Hi", logprobs=True, stream=True))

    assert [event["choices"][0]["logprobs"] for event in streamed if "logprobs" in event["choices"][0]] == [LOGPROBS]


def test_unknown_fields_come_back_at_their_places(proxy: Caller, upstream: FakeReka) -> None:
    citation = {"type": "url_citation", "url_citation": {"url": "https://example.com/", "title": "Example"}}
    of_message: dict[str, Any] = {
        "annotations": [citation],
        "refusal": "No.",
        "reasoning_details": [{"type": "summary"}],
    }
    answered = completion(content="Hi", **of_message, audio=None)
    answered["choices"][0] |= {"native_finish_reason": "STOP", "stop_reason": None}
    answered |= {"provider": "somebody", "reasoning_steps": [{"type": "web_search"}], "service_tier": None}
    upstream.will_answer(200, answered)

    whole = post_completion(proxy, "Hi").json()

    assert whole["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi", **of_message},
            "finish_reason": "stop",
            "native_finish_reason": "STOP",
        }
    ]
    assert whole["provider"] == "somebody"
    assert whole["reasoning_steps"] == [{"type": "web_search"}]
    assert "service_tier" not in whole
    assert whole["model"] == "reka-flash"


def test_unknown_fields_come_back_in_a_stream(proxy: Caller, upstream: FakeReka) -> None:
    part = {**chunk(content="Hi"), "provider": "somebody"}
    last = {**chunk("stop"), "provider": "somebody"}
    last["choices"][0]["native_finish_reason"] = "STOP"
    steps = {"choices": [], "provider": "somebody", "reasoning_steps": [{"type": "web_search"}]}
    upstream.will_stream(events(part, {**chunk(refusal="No."), "provider": "somebody"}, last, steps) + DONE)

    streamed = completion_chunks(post_completion(proxy, "Hi", stream=True))

    assert deltas(streamed) == [{"content": "Hi"}, {"refusal": "No."}, {}, {}, {}]
    assert [event.get("provider") for event in streamed] == ["somebody"] * 4 + [None]
    assert [event["choices"][0].get("native_finish_reason") for event in streamed] == [None, None, "STOP", None, None]
    assert [event.get("reasoning_steps") for event in streamed][3] == [{"type": "web_search"}]
