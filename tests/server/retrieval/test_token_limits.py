"""Cutting texts by tokens."""

from collections.abc import Callable

import pytest

from reka.server.retrieval.embedders.wordllama import WordLlamaEmbedder
from reka.server.retrieval.token_limits import first_tokens, last_tokens
from tests.support.embedders import WordEmbedder

TEXTS = {
    "words": "the owl of the mill hunts at night " * 500,
    "one word": "a" * 100_000,
    "white space": " \n" * 50_000,
    "marks": "a" + "\u0300\u0316" * 20_000,
    "owls": "\N{OWL}" * 20_000,
    "few tokens, then many": "word " * 3_000 + "\N{OWL}" * 20_000,
    "many tokens, then few": "\N{OWL}" * 20_000 + "word " * 3_000,
    "lone surrogates": "\ud800 " * 3_000,
}
COUNTERS: dict[str, Callable[[str], int]] = {
    "words": WordEmbedder().count_tokens,
    "wordllama": WordLlamaEmbedder().count_tokens,
}


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("name", TEXTS)
def test_what_is_left_has_no_more_tokens_and_costs_no_more_the_longer_the_text_is(name: str, counter: str) -> None:
    text = TEXTS[name].encode("utf-8", "replace").decode() if counter == "wordllama" else TEXTS[name]
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return COUNTERS[counter](text)

    first, last = first_tokens(text, 200, count), last_tokens(text, 200, count)

    assert text.startswith(first)
    assert text.endswith(last)
    assert COUNTERS[counter](first) <= 200
    assert COUNTERS[counter](last) <= 200
    assert counted < 200 * 8 * 12


def test_a_short_text_is_not_even_counted() -> None:
    def refuse(_: str) -> int:
        raise AssertionError

    assert first_tokens("The owl of the mill", 30, refuse) == "The owl of the mill"
    assert last_tokens("", 30, refuse) == ""


def test_no_word_is_cut() -> None:
    text = "alpha beta gamma delta"

    assert first_tokens(text, 2, WordEmbedder().count_tokens) in ("alpha", "alpha beta")
    assert last_tokens(text, 2, WordEmbedder().count_tokens) in ("delta", "gamma delta")
