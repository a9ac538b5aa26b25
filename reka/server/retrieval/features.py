"""What texts have in common with a query, counted for all of them at once: pure, and without work per word of a text.

The texts come as terms (see `terms.index_terms`). Their distinct terms are numbered, so that each is compared with the
query once, and the counts of all texts are sums over numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from reka.server.retrieval.languages import STOP_WORDS
from reka.server.retrieval.terms import GROUP_LETTERS, groups_of_word, query_words, terms_of_word

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

_MULTIPLIER: Final = 0x9E3779B97F4A7C15
"""An odd number of 64 bits, by which the letters of a group make one number; any would do."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a query is compared by."""

    words: Mapping[str, Sequence[str]]
    """Its words, each with its terms."""

    telling: Sequence[str]
    """The terms of the words that tell its topic: all but the most frequent of the language, if there are others."""

    terms: Sequence[str]
    """All of its terms."""

    groups: Sequence[str]
    """Letter groups of its words."""

    pairs: Sequence[tuple[str, str]]
    """Pairs of adjacent stems."""

    columns: Mapping[str, int]
    """The number of each feature: terms as they are, then letter groups after `g`, then pairs after `p`."""


def query_of(text: str, languages: Sequence[str | None]) -> Query:
    """Read a query.

    Args:
        text: Any text; it has no syntax.
        languages: Languages whose stems it is compared by.
    """
    words = {word: terms_of_word(word, languages) for word in query_words(text)}
    frequent = frozenset().union(*(STOP_WORDS.get(language or "", ()) for language in languages))
    telling = {word: terms for word, terms in words.items() if word not in frequent} or words
    stems = [[term[1:] for term in terms if term[0] == "s"] or [word] for word, terms in words.items()]
    terms = _distinct(words)
    groups = sorted(frozenset().union(*map(groups_of_word, words)))
    pairs = sorted({(first, second) for firsts, seconds in pairwise(stems) for first in firsts for second in seconds})
    names = [*terms, *(f"g{group}" for group in groups), *(f"p{first} {second}" for first, second in pairs)]
    return Query(words, _distinct(telling), terms, groups, pairs, {name: column for column, name in enumerate(names)})


def _distinct(words: Mapping[str, Sequence[str]]) -> list[str]:
    return sorted({term for terms in words.values() for term in terms})


class Features:
    """What texts have of a query."""

    counts: "Array"
    """How often each text has each feature of the query: a row for each text, a column for each feature."""

    sizes: "Array"
    """Number of terms of each text."""

    distinct: int
    """Number of distinct terms of all texts."""

    def __init__(self, texts: Any, query: Query) -> None:
        """Count.

        Args:
            texts: Arrow array of strings: the terms of each text, separated by spaces.
            query: What they are compared with.
        """
        import numpy as np
        import pyarrow.compute as pc

        split = pc.split_pattern(texts, " ")  # pyright: ignore[reportAttributeAccessIssue]  # made when pyarrow is imported
        terms = split.flatten().dictionary_encode()
        self._numbers = terms.indices.to_numpy()
        self._distinct: list[str] = terms.dictionary.to_pylist()
        self.distinct = len(self._distinct)
        self._number_of = {term: number for number, term in enumerate(self._distinct)}
        self.sizes = pc.list_value_length(split).to_numpy()  # pyright: ignore[reportAttributeAccessIssue]  # made when pyarrow is imported
        self._ends = np.cumsum(self.sizes)
        self._owners = np.repeat(np.arange(len(self.sizes)), self.sizes)
        numbers, columns = self._features_of_terms(query)
        self.counts = self._count(numbers, columns, len(query.columns)) + self._pairs(query)

    def distinct_terms(self, text: int) -> "Array":
        """List the numbers of the terms that a text has, each once."""
        import numpy as np

        return np.unique(self._numbers[self._ends[text] - self.sizes[text] : self._ends[text]])

    def _features_of_terms(self, query: Query) -> tuple["Array", "Array"]:
        """List which distinct terms have which features: numbers of terms, and columns."""
        import numpy as np

        equal = [(self._number_of[term], query.columns[term]) for term in query.terms if term in self._number_of]
        # The one group of a word of one letter is the word itself.
        short = [(f"w{group.strip('_')}", group) for group in query.groups if len(group) < GROUP_LETTERS]
        equal += [
            (self._number_of[term], query.columns[f"g{group}"]) for term, group in short if term in self._number_of
        ]
        numbers, columns = np.array(equal, dtype=np.int64).reshape(-1, 2).T
        words = [number for number, term in enumerate(self._distinct) if term[:1] == "w"]
        long = [group for group in query.groups if len(group) == GROUP_LETTERS]
        if not words or not long:
            return numbers, columns
        having, groups = _groups_in([self._distinct[number][1:] for number in words], long)
        of_groups = np.array([query.columns[f"g{group}"] for group in long])
        return np.concatenate([numbers, np.array(words)[having]]), np.concatenate([columns, of_groups[groups]])

    def _count(self, numbers: "Array", columns: "Array", width: int) -> "Array":
        import numpy as np

        counts = np.zeros((len(self.sizes), width))
        if not len(numbers):
            return counts
        # Few of the distinct terms have a feature: only these are counted.
        relevant, rows = np.unique(numbers, return_inverse=True)
        place = np.full(len(self._distinct), -1)
        place[relevant] = np.arange(len(relevant))
        places = place[self._numbers]
        found = places >= 0
        cells = self._owners[found] * len(relevant) + places[found]
        occurrences = np.bincount(cells, minlength=len(self.sizes) * len(relevant)).reshape(-1, len(relevant))
        # The sum over the terms of each feature; a product of matrices would wake the threads of the linear algebra.
        order = np.argsort(columns, kind="stable")
        present, starts = np.unique(columns[order], return_index=True)
        counts[:, present] = np.add.reduceat(occurrences[:, rows[order]], starts, axis=1)
        return counts

    def _pairs(self, query: Query) -> "Array":
        """Count pairs of adjacent stems; of adjacent words in texts without stems."""
        import numpy as np

        counts = np.zeros((len(self.sizes), len(query.columns)))
        kinds = np.array([ord(term[:1] or " ") for term in self._distinct], dtype=np.int32)[self._numbers]
        has_stems = np.zeros(len(self.sizes), dtype=bool)
        has_stems[self._owners[kinds == ord("s")]] = True
        compared = (kinds == ord("s")) | ((kinds == ord("w")) & ~has_stems[self._owners])
        stems, owners = self._numbers[compared], self._owners[compared]
        pairs = {
            (self._number_of.get(kind + first, -1), self._number_of.get(kind + second, -1)): f"p{first} {second}"
            for first, second in query.pairs
            for kind in "sw"
        }
        begins, ends = np.zeros(len(self._distinct) + 1, dtype=bool), np.zeros(len(self._distinct) + 1, dtype=bool)
        for first, second in pairs:
            begins[first] = ends[second] = True
        places = np.flatnonzero(begins[stems[:-1]] & ends[stems[1:]] & (owners[:-1] == owners[1:]))
        for place in places.tolist():
            pair = pairs.get((int(stems[place]), int(stems[place + 1])))
            if pair is not None:
                counts[owners[place], query.columns[pair]] += 1
        return counts


def _groups_in(words: Sequence[str], groups: Sequence[str]) -> tuple["Array", "Array"]:
    """Find letter groups in words: the places of words, each with the place of a group that it has."""
    import numpy as np

    # Each word between borders, which two neighbours share: no group of a query lies across one.
    text = _letters(f"_{'_'.join(words)}_")
    wanted = _hashes(_letters("".join(groups)).reshape(-1, GROUP_LETTERS).T)
    order = np.argsort(wanted)
    count = max(len(text) - GROUP_LETTERS + 1, 0)
    hashes = _hashes([text[offset : offset + count] for offset in range(GROUP_LETTERS)])
    nearest = order[np.minimum(np.searchsorted(wanted[order], hashes), len(order) - 1)]
    places = np.flatnonzero(wanted[nearest] == hashes)
    borders = np.flatnonzero(text == ord("_"))
    found = (np.searchsorted(borders, places, side="right") - 1) * len(groups) + nearest[places]
    return np.divmod(np.unique(found), len(groups))  # once, also where a word has a group twice


def _letters(text: str) -> "Array":
    import numpy as np

    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)


def _hashes(letters: Iterable["Array"]) -> "Array":
    """Make one number of each group of letters: the first letters of all groups, then the second ones, and so on."""
    import numpy as np

    hashes: Array = np.zeros((), dtype=np.uint64)
    for column in letters:
        hashes = hashes * np.uint64(_MULTIPLIER) + column
    return hashes
