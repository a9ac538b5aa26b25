from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from reka.server.retrieval.features import Features, Query, query_of
from reka.server.retrieval.terms import groups_of_word, index_terms

WORDS = st.lists(st.text("abé東1", min_size=1, max_size=7), max_size=12).map(" ".join)


def count_one_by_one(terms: Sequence[str], query: Query) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for term in terms:
        if term in query.terms:
            counts[term] += 1
        if term[:1] == "w":
            counts.update(f"g{group}" for group in groups_of_word(term[1:]) & set(query.groups))
    stems = [term[1:] for term in terms if term[:1] == "s"] or [term[1:] for term in terms if term[:1] == "w"]
    counts.update(f"p{first} {second}" for first, second in pairwise(stems) if (first, second) in query.pairs)
    return dict(counts)


@given(st.lists(WORDS, min_size=1, max_size=6), WORDS, st.sampled_from(["english", None]))
def test_all_texts_at_once_are_counted_as_one_by_one(texts: list[str], query: str, language: str | None) -> None:
    terms = [index_terms(text, language) for text in texts]
    parsed = query_of(query, [language])

    features = Features(pa.array(terms, pa.string()), parsed)

    names = list(parsed.columns)
    counts = [{names[column]: int(row[column]) for column in np.flatnonzero(row)} for row in features.counts]
    assert counts == [count_one_by_one(text.split(), parsed) for text in terms]


def test_texts_are_told_apart_by_their_distinct_terms() -> None:
    features = Features(pa.array(["wa wb wa", "wb wc"], pa.string()), query_of("a", [None]))

    shared = set(features.distinct_terms(0)) & set(features.distinct_terms(1))

    assert features.sizes.tolist() == [3, 2]
    assert (features.distinct, len(shared)) == (3, 1)
