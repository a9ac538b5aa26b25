"""Streams of text so far become streams of new text, and streams of new text stay what they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reka._wire.cumulative import DeltaExtractor


def _given(sent: list[str]) -> list[str]:
    new_text = DeltaExtractor()
    return [*(new_text.of(text) for text in sent), new_text.finish()]


@pytest.mark.parametrize(
    ("sent", "given"),
    [
        pytest.param([], [""], id="nothing"),
        pytest.param(["Hi"], ["Hi", ""], id="one"),
        pytest.param(["Hel", "lo", "!"], ["Hel", "lo", "!", ""], id="new-text"),
        pytest.param(["Hel", "Hello", "Hello!"], ["Hel", "", "lo!", ""], id="text-so-far"),
        pytest.param(["a", "ab", "abc", "abcd"], ["a", "", "bc", "d", ""], id="text-so-far-goes-on"),
        pytest.param(["ha", "haha", "!"], ["ha", "", "haha!", ""], id="chance"),
        pytest.param(["ha", "haha"], ["ha", "", "haha"], id="chance-at-the-end"),
        pytest.param(["ha", "ha", "ha"], ["ha", "ha", "ha", ""], id="repetition"),
        pytest.param(["", "a", "", "b"], ["", "a", "", "b", ""], id="empty-texts"),
        pytest.param(["a", "ab", "abc", "abc"], ["a", "", "bc", "", ""], id="the-whole-once-more"),
        pytest.param(["a", "ab", "abc", "x"], ["a", "", "bc", "x", ""], id="new-text-after-all"),
    ],
)
def test_the_texts_tell_which_kind_of_stream_it_is(sent: list[str], given: list[str]) -> None:
    assert _given(sent) == given


@given(st.text(min_size=3), st.data())
def test_a_stream_of_text_so_far_adds_up_to_its_last_text(whole: str, data: st.DataObject) -> None:
    lengths = data.draw(st.sets(st.integers(1, len(whole)), min_size=3).map(sorted))
    sent = [whole[:length] for length in lengths]

    assert "".join(_given(sent)) == sent[-1]


@given(st.text(min_size=1), st.data())
def test_a_stream_known_to_be_of_text_so_far_adds_up_from_the_first_text_on(whole: str, data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(0, len(whole)), min_size=1).map(sorted))
    sent = [whole[:length] for length in lengths]
    new_text = DeltaExtractor("")

    assert "".join(new_text.of(text) for text in sent) == sent[-1]
    assert new_text.finish() == ""


@given(st.lists(st.text(), min_size=2))
def test_a_stream_of_new_text_loses_nothing_and_holds_nothing_for_long(sent: list[str]) -> None:
    texts = [text for text in sent if text]
    if len(texts) > 1 and texts[1].startswith(texts[0]):
        texts.insert(1, "\n")  # the second text tells: it does not begin with the first
    if len(texts) > 1 and texts[1].startswith(texts[0]):
        return

    assert _given(texts) == [*texts, ""]
