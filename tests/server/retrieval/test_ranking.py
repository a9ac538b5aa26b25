from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from reka.server.retrieval.features import query_of
from reka.server.retrieval.ranking import Candidates, Matches, rank
from reka.server.retrieval.terms import index_terms

TEXTS = st.lists(st.text("abc dé東", max_size=30), min_size=1, max_size=12)


@dataclass(frozen=True)
class Candidate:
    id: int
    text: str
    score: float | None = 1.0
    cosine: float = 0.0
    lead: str = ""


def table(candidates: Sequence[Candidate]) -> Candidates:
    return Candidates(
        np.array([found.id for found in candidates]),
        np.array([found.score for found in candidates], dtype=float),
        pa.array([index_terms(found.text, "english") for found in candidates], pa.string()),
        pa.array([index_terms(found.lead, "english") for found in candidates], pa.string()),
    )


def ranked(query: str, candidates: Sequence[Candidate], weight: float = 0.0, k: int = 10) -> list[tuple[int, float]]:
    matches = Matches(table(candidates), query_of(query, ["english"]), 1000)
    cosines = np.array([found.cosine for found in candidates]) if weight else None
    places = rank(matches, k, cosines, weight, matches.weight_of_words if weight else 1.0)
    return [(candidates[place].id, fit) for place, fit in places]


def order(query: str, candidates: Sequence[Candidate], weight: float = 0.0, k: int = 10) -> list[int]:
    return [id_ for id_, _ in ranked(query, candidates, weight, k)]


@settings(deadline=None)  # the first call imports numpy and the language tables
@given(TEXTS, st.text("abc dé東", max_size=20), st.sampled_from([0.0, 0.3]))
def test_fits_lie_between_0_and_1_and_never_rise_and_each_candidate_comes_once(
    texts: list[str], query: str, weight: float
) -> None:
    candidates = [Candidate(id_, text, cosine=id_ / 12) for id_, text in enumerate(texts)]

    found = ranked(query, candidates, weight, len(texts))

    fits = [fit for _, fit in found]
    assert all(0 <= fit <= 1 for fit in fits)
    assert fits == sorted(fits, reverse=True)
    assert sorted(id_ for id_, _ in found) == list(range(len(texts)))


def test_no_candidates_are_ranked_as_none() -> None:
    assert order("cat", []) == []


def test_equal_candidates_are_ordered_by_id() -> None:
    assert order("cat", [Candidate(7, "a cat"), Candidate(3, "a cat")]) == [3, 7]


def test_the_keyword_score_decides_among_those_that_have_nothing_finer() -> None:
    assert order("cat", [Candidate(1, "one cat", 1.0), Candidate(2, "two cat", 2.0)]) == [2, 1]


def test_another_form_of_a_word_is_found_by_its_letter_groups() -> None:
    assert order("authentication", [Candidate(1, "the weather"), Candidate(2, "authenticators")]) == [2, 1]


def test_words_side_by_side_beat_words_apart() -> None:
    apart, together = Candidate(1, "bounce the ball, press keys"), Candidate(2, "bounce keys, press the ball")

    assert order("bounce keys", [apart, together]) == [2, 1]


def test_a_file_that_begins_with_the_topic_comes_first() -> None:
    assert order("printers", [Candidate(1, "press it"), Candidate(2, "press it", lead="Printers")]) == [2, 1]


def test_the_vectors_count_as_far_as_they_are_weighed() -> None:
    near, far = Candidate(2, "one", None, 0.9), Candidate(1, "two", None, 0.1)

    assert order("three", [far, near], weight=0.3) == [2, 1]
    assert order("three", [far, near]) == [1, 2]


def test_the_words_count_as_far_as_some_chunk_has_them() -> None:
    few, near = Candidate(1, "an oven", 9.0, 0.1), Candidate(2, "cuire le riz", None, 0.9)

    assert order("cook rice in an electric oven tonight", [few, near], weight=0.15) == [2, 1]
    assert order("an oven", [few, near], weight=0.15) == [1, 2]


def test_what_says_the_same_again_comes_after_the_others() -> None:
    text = "the cat sat on the mat and looked at the dog"
    found = [Candidate(1, text, 30.0), Candidate(2, text + " today", 29.0), Candidate(3, "a cat", 1.0)]

    assert order("cat", found) == [1, 3, 2]
    assert order("cat", found, k=2) == [1, 3]


def test_a_fit_is_the_share_of_a_query_that_a_chunk_has() -> None:
    candidates = [Candidate(1, "red apples and pears", 2.0), Candidate(2, "red cars", 1.0), Candidate(3, "blue", 0.5)]

    fits = [fit for _, fit in ranked("the red apples", candidates)]

    assert fits[0] == 1.0
    assert 0.3 < fits[1] < 0.7
    assert fits[2] == 0.0


def test_a_long_query_is_fit_by_what_candidates_have_of_it() -> None:
    filler = " ".join(f"filler{number}" for number in range(20))

    ((_, fit),) = ranked(f"red apples {filler}", [Candidate(1, "red apples")])

    assert fit > 0.9


def test_a_fit_counts_frequent_words_only_if_there_are_no_others() -> None:
    def fit(query: str) -> float:
        return ranked(query, [Candidate(1, "the of and")])[0][1]

    assert fit("the zebra") == 0.0
    assert fit("the of") == 1.0
