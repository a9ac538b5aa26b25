"""Token usage: every name that servers give the counts, and what else they say of them."""

from dataclasses import asdict
from typing import Any

import pytest

import reka
from reka._protocol.responses import read_usage
from reka.testing import FakeReka
from reka.testing.bodies import DONE, chunk, completion, events
from tests.support.clients import KEY, Connect
from tests.support.completions import HI

FULL = {
    "prompt_tokens": 10,
    "completion_tokens": 20,
    "total_tokens": 31,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 15},
    "cost": 0.25,
    "is_byok": False,
}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 5}, reka.Usage(3, 5)),
        ({"input_tokens": 3, "output_tokens": 5}, reka.Usage(3, 5)),
        ({"input_tokens": 3, "generated_tokens": 5}, reka.Usage(3, 5)),
        ({"prompt_tokens": None, "input_tokens": 3, "completion_tokens": None, "output_tokens": 5}, reka.Usage(3, 5)),
        ({"prompt_tokens": 3.0, "completion_tokens": 5.0}, reka.Usage(3, 5)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, reka.Usage(0, 0)),
        (FULL, reka.Usage(10, 20, cached_input_tokens=4, reasoning_tokens=15, cost=0.25)),
        (
            {
                "input_tokens": 3,
                "output_tokens": 5,
                "input_tokens_details": {"cached_tokens": 2.0},
                "output_tokens_details": {"reasoning_tokens": 0},
            },
            reka.Usage(3, 5, cached_input_tokens=2, reasoning_tokens=0),
        ),
        ({"prompt_tokens": 3, "completion_tokens": 5, "reasoning_tokens": 4}, reka.Usage(3, 5, reasoning_tokens=4)),
        (
            {"prompt_tokens": 3, "completion_tokens": 5, "prompt_cache_hit_tokens": 2},
            reka.Usage(3, 5, cached_input_tokens=2),
        ),
        (
            {"prompt_tokens": 3, "completion_tokens": 5, "prompt_tokens_details": None, "cost": None},
            reka.Usage(3, 5),
        ),
        (
            {
                "prompt_tokens": 3,
                "completion_tokens": 5,
                "prompt_tokens_details": [7],
                "completion_tokens_details": {"reasoning_tokens": "many"},
                "cost": "dear",
            },
            reka.Usage(3, 5),
        ),
        ({"prompt_tokens": 3, "completion_tokens": 5, "cost": 1}, reka.Usage(3, 5, cost=1)),
        ({"prompt_tokens": 3}, None),
        ({"prompt_tokens": 3, "completion_tokens": 5.5}, None),
        ({"prompt_tokens": 3, "completion_tokens": True}, None),
        ({"tokens": 8}, None),
        ([], None),
        (None, None),
    ],
)
def test_usage_is_read_under_every_name(sent: Any, read: reka.Usage | None) -> None:
    assert read_usage(sent) == read


def test_usage_keeps_the_servers_total_and_details() -> None:
    usage = read_usage(FULL)

    assert usage is not None
    assert usage.total_tokens == 31
    assert usage.prompt_tokens_details == {"cached_tokens": 4, "audio_tokens": 0}
    assert usage.completion_tokens_details == {"reasoning_tokens": 15}
    assert usage.raw == FULL
    assert asdict(usage)["raw"] == FULL
    assert len({usage, usage}) == 1


def test_usage_without_details_has_a_total_and_empty_details() -> None:
    usage = reka.Usage(3, 5)

    assert (usage.total_tokens, usage.prompt_tokens_details, usage.completion_tokens_details) == (8, {}, {})
    assert (usage.cached_input_tokens, usage.reasoning_tokens, usage.cost) == (None, None, None)


def test_both_endpoints_and_streams_give_it(connect: Connect, fake: FakeReka) -> None:
    fake.will_answer(200, {"type": "model", "text": "Hello", "usage": FULL})
    fake.will_answer(200, completion(content="Hello") | {"usage": FULL})
    fake.will_stream(events(chunk("stop", content="Hello"), {"choices": [], "usage": FULL}), DONE)

    with connect(KEY, fake.url, api="v0") as v0, connect(KEY, fake.url, api="v1") as v1:
        answers = [v0.complete(HI).usage, v1.complete(HI).usage, list(v1.stream("Hi"))[-1].usage]

    assert answers == [read_usage(FULL)] * 3
    assert [usage.raw for usage in answers if usage is not None] == [FULL] * 3


def test_the_metadata_of_an_older_servers_turn_is_its_usage(connect: Connect, fake: FakeReka) -> None:
    metadata = {"input_tokens": 5, "generated_tokens": 7}
    fake.will_answer(200, {"type": "model", "text": "Hello", "metadata": metadata})
    fake.will_answer(200, {"type": "model", "text": "Hello", "metadata": metadata})

    with connect(KEY, fake.url, api="v0") as client:
        answer = client.complete(HI)
        (event,) = client.stream("Hi")

    assert answer.usage == event.usage == reka.Usage(5, 7)
    assert answer.extra == {"metadata": metadata}


def test_usage_that_cannot_be_read_is_kept(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, completion(content="Hello") | {"usage": {"tokens": 8}})
    fake.will_stream(events(chunk("stop", content="Hello"), {"choices": [], "usage": {"tokens": 8}}), DONE)

    answer = client.complete(HI)
    *_, finish = client.stream_messages(HI)

    assert (answer.usage, answer.extra) == (None, {"usage": {"tokens": 8}})
    assert finish == reka.Finish("stop", "reka-flash", "c-1", extra={"usage": {"tokens": 8}})


def test_of_a_streams_usage_the_last_counts_and_what_comes_apart_is_put_together(
    client: reka.Reka, fake: FakeReka
) -> None:
    fake.will_stream(
        events(
            chunk(content="Hel") | {"usage": {"input_tokens": 3, "output_tokens": 1}},
            chunk("stop", content="lo") | {"usage": {"output_tokens": 2}},
        )
    )

    *_, usage, _ = client.stream_messages(HI)

    assert usage == reka.Usage(3, 2)
