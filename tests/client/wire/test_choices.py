"""Which choice is the answer, and what is new in a choice that repeats its text."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reka
from reka._protocol.responses import answer_choice
from reka._wire.choices import new_part
from reka.testing import FakeReka
from reka.testing.bodies import DONE, chunk, completion, events
from tests.support.completions import HI


def choice(index: int | None, text: str, finish_reason: str | None = "stop") -> dict[str, Any]:
    """A choice of a whole answer."""
    return {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}


def at(index: int | None, finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    """A chunk of the choice with an index."""
    document = chunk(finish_reason, **delta)
    document["choices"][0]["index"] = index
    return document


@pytest.mark.parametrize(
    ("choices", "position"),
    [
        pytest.param([{"index": 0}, {"index": 1}], 0, id="in-order"),
        pytest.param([{"index": 1}, {"index": 0}], 1, id="out-of-order"),
        pytest.param([{}, {}], 0, id="without-an-index"),
        pytest.param([{"index": None}], 0, id="null"),
        pytest.param(["x", None, {"index": 0}], 2, id="after-what-is-none"),
        pytest.param([{"index": 1}], None, id="another-answer"),
        pytest.param([], None, id="nothing"),
        pytest.param({"index": 0}, None, id="no-list"),
        pytest.param(None, None, id="none"),
    ],
)
def test_the_choice_with_index_0_is_the_answer(choices: Any, position: int | None) -> None:
    assert answer_choice(choices) is (None if position is None else choices[position])


@pytest.mark.parametrize(
    "choices", [[choice(0, "a"), choice(1, "b", "length")], [choice(1, "b", "length"), choice(0, "a")]]
)
def test_several_choices_are_not_mixed_and_the_others_are_kept(
    client: reka.Reka, fake: FakeReka, choices: list[dict[str, Any]]
) -> None:
    fake.will_answer(200, completion() | {"choices": choices})

    answer = client.complete(HI, extra_request_args={"n": 2})

    assert (answer.text, answer.finish_reason) == ("a", "stop")
    assert answer.extra == {"choices": [choice(1, "b", "length")]}


def test_one_choice_with_another_index_is_the_answer_all_the_same(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, completion() | {"choices": [choice(1, "a")]})

    answer = client.complete(HI)

    assert (answer.text, answer.extra) == ("a", {})


def test_choices_of_a_stream_are_not_mixed(client: reka.Reka, fake: FakeReka) -> None:
    both = chunk(content="l")
    both["choices"] = [*at(1, content="y")["choices"], *both["choices"]]
    fake.will_stream(
        events(at(1, content="B"), at(0, content="Hel"), at(1, "length", content="e"), both, at(0, content="o")),
        events(at(1, reasoning="?"), at(0, "stop")),
        DONE,
    )

    assert list(client.stream_messages(HI)) == [
        reka.TextDelta("Hel"),
        reka.TextDelta("l"),
        reka.TextDelta("o"),
        reka.Finish("stop", "reka-flash", "c-1"),
    ]


@pytest.mark.parametrize(
    ("text", "so_far", "new"),
    [
        ("Hello", "", "Hello"),
        ("Hello", "Hel", "lo"),
        ("Hello", "Hello", ""),
        ("Hello", "Hello\n", ""),
        ("", "Hello", ""),
        ("Bye", "Hello", "Bye"),
    ],
)
def test_a_text_that_repeats_what_was_before_it_brings_only_the_rest(text: str, so_far: str, new: str) -> None:
    assert new_part(text, so_far) == new


@given(st.text(min_size=1), st.data())
def test_texts_so_far_add_up_to_the_last_one(whole: str, data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(0, len(whole)), min_size=1).map(sorted))

    added = ""
    for length in lengths:
        added += new_part(whole[:length], added)

    assert added == whole[: lengths[-1]]
