from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from reka.server.retrieval.ranking import Candidate, query_of, rank, top_k
from reka.server.retrieval.terms import index_terms

TEXTS = st.lists(st.text("abc dé東", max_size=30), min_size=1, max_size=12)


def candidate(id_: int, text: str, score: float | None = 1.0, cosine: float = 0.0, lead: str = "") -> Candidate:
    return Candidate(id_, score, cosine, index_terms(text, "english").split(), index_terms(lead, "english"))


def order(query: str, candidates: Sequence[Candidate], vector_weight: float = 0.0, k: int = 10) -> list[int]:
    return [found.id for found, _ in rank(candidates, query_of(query, ["english"]), 1000, vector_weight, k)]


@given(TEXTS, st.text("abc dé東", max_size=20), st.sampled_from([0.0, 0.3]))
def test_fits_lie_between_0_and_1_and_never_rise_and_each_candidate_comes_once(
    texts: list[str], query: str, weight: float
) -> None:
    candidates = [candidate(id_, text, cosine=id_ / 12) for id_, text in enumerate(texts)]

    ranked = rank(candidates, query_of(query, ["english"]), 1000, weight, len(texts))

    fits = [fit for _, fit in ranked]
    assert all(0 <= fit <= 1 for fit in fits)
    assert fits == sorted(fits, reverse=True)
    assert sorted(found.id for found, _ in ranked) == list(range(len(texts)))


def test_no_candidates_are_ranked_as_none() -> None:
    assert order("cat", []) == []


def test_equal_candidates_are_ordered_by_id() -> None:
    assert order("cat", [candidate(7, "a cat"), candidate(3, "a cat")]) == [3, 7]


def test_the_keyword_score_decides_among_those_that_have_nothing_finer() -> None:
    assert order("cat", [candidate(1, "one cat", 1.0), candidate(2, "two cat", 2.0)]) == [2, 1]


def test_another_form_of_a_word_is_found_by_its_letter_groups() -> None:
    assert order("authentication", [candidate(1, "the weather"), candidate(2, "authenticators")]) == [2, 1]


def test_words_side_by_side_beat_words_apart() -> None:
    apart, together = candidate(1, "bounce the ball, press keys"), candidate(2, "bounce keys, press the ball")

    assert order("bounce keys", [apart, together]) == [2, 1]


def test_a_file_that_begins_with_the_topic_comes_first() -> None:
    assert order("printers", [candidate(1, "press it"), candidate(2, "press it", lead="Printers")]) == [2, 1]


def test_the_vectors_count_as_far_as_they_are_weighed() -> None:
    near, far = candidate(2, "one", None, 0.9), candidate(1, "two", None, 0.1)

    assert order("three", [far, near], vector_weight=0.3) == [2, 1]
    assert order("three", [far, near]) == [1, 2]


def test_what_says_the_same_again_comes_after_the_others() -> None:
    text = "the cat sat on the mat and looked at the dog"
    found = [candidate(1, text, 30.0), candidate(2, text + " today", 29.0), candidate(3, "a cat", 1.0)]

    assert order("cat", found) == [1, 3, 2]
    assert order("cat", found, k=2) == [1, 3]


def test_a_fit_is_the_share_of_a_query_that_a_chunk_has() -> None:
    candidates = [candidate(1, "red apples and pears", 2.0), candidate(2, "red cars", 1.0), candidate(3, "blue", 0.5)]

    fits = [fit for _, fit in rank(candidates, query_of("the red apples", ["english"]), 1000, 0.0, 3)]

    assert fits[0] == 1.0
    assert 0.3 < fits[1] < 0.7
    assert fits[2] == 0.0


def test_a_long_query_is_fit_by_what_candidates_have_of_it() -> None:
    filler = " ".join(f"filler{number}" for number in range(20))

    ((_, fit),) = rank([candidate(1, "red apples")], query_of(f"red apples {filler}", ["english"]), 1000, 0.0, 1)

    assert fit > 0.9


def test_a_fit_counts_frequent_words_only_if_there_are_no_others() -> None:
    def fit(query: str) -> float:
        return rank([candidate(1, "the of and")], query_of(query, ["english"]), 1000, 0.0, 1)[0][1]

    assert fit("the zebra") == 0.0
    assert fit("the of") == 1.0


def test_the_highest_scores_come_first_and_equal_ones_by_id() -> None:
    assert top_k({5: 0.5, 1: 0.5, 3: 0.9}, 2) == [3, 1]
