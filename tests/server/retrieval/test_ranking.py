import pytest
from hypothesis import given
from hypothesis import strategies as st

from reka.server.retrieval.ranking import fuse, has_tie_at_cutoff, top_k

RANKINGS = st.lists(st.lists(st.integers(0, 30), unique=True, max_size=20), min_size=1, max_size=3)


@given(RANKINGS)
def test_scores_lie_between_0_and_1_and_never_rise(rankings: list[list[int]]) -> None:
    scores = [score for _, score in fuse(rankings)]

    assert all(0 < score <= 1 for score in scores)
    assert scores == sorted(scores, reverse=True)


@given(RANKINGS)
def test_every_id_comes_once(rankings: list[list[int]]) -> None:
    assert sorted(chunk for chunk, _ in fuse(rankings)) == sorted({chunk for ranking in rankings for chunk in ranking})


def test_what_is_first_everywhere_scores_1() -> None:
    assert fuse([[4, 2], [4, 3]])[0] == (4, 1.0)


def test_found_twice_beats_found_once_on_the_same_place() -> None:
    assert [chunk for chunk, _ in fuse([[1, 9], [2, 9]], k=60)] == [9, 1, 2]


def test_equal_scores_are_ordered_by_id() -> None:
    assert [chunk for chunk, _ in fuse([[7], [3]])] == [3, 7]
    assert top_k({5: 0.5, 1: 0.5, 3: 0.9}, 2) == [3, 1]


@pytest.mark.parametrize(
    ("scores", "limit", "is_cut"),
    [
        ([3.0, 2.0, 1.0], 2, False),
        ([3.0, 2.0, 2.0], 2, True),
        ([2.0, 2.0], 2, False),
        ([3.0, 2.0, 2.0, 1.0], 2, False),
        ([], 2, False),
    ],
)
def test_a_list_whose_end_equals_the_cut_does_not_settle_who_is_in(
    scores: list[float], limit: int, is_cut: bool
) -> None:
    assert has_tie_at_cutoff(scores, limit) is is_cut
