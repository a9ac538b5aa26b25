"""Terms of a text: what keyword search compares. Pure functions; nothing here changes what is quoted.

A word is compared as it is and by its stem; Chinese, Japanese and Korean, which are not divided by spaces, by single
characters and pairs of them. Ranking also compares the letter groups of words, which find other forms and compounds,
and pairs of adjacent words.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from reka.server.retrieval.languages import is_frequent

GROUP_LETTERS: Final = 4
"""Letters of a group; 3 match more by chance, 5 miss short words (measured on texts of six languages)."""

MAX_QUERY_WORDS: Final = 48
"""Distinct words of a query that are searched for (ours)."""

MAX_WORD_CHARS: Final = 64
"""Characters of a word that are compared: longer ones are data, not words (ours)."""

_CJK: Final = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_HANGUL: Final = "\uac00-\ud7a3"
_RUN: Final = re.compile(f"[{_CJK}]+|[{_HANGUL}]+|[^\\W_{_CJK}{_HANGUL}]+")
# Soft hyphens, zero-width characters and direction marks; and the points of Arabic and Hebrew, mostly left out.
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff\u0591-\u05c7\u064b-\u065f\u0670\u0640]")
_CJK_LINE_END: Final = re.compile(f"(?<=[{_CJK}])\n(?=[{_CJK}])")
_DIGIT_GROUP: Final = re.compile(r"(?<=\d)[,'\u00a0\u202f\u2009](?=\d{3}(?!\d))")


def normalize(text: str) -> str:
    """Write a text so that equal words are equal: compatibility forms, case, marks that are often left out."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", _DIGIT_GROUP.sub("", text)))
    # The Turkish capital with a dot becomes two characters, and one without a dot is an i elsewhere.
    text = text.casefold().replace("i\u0307", "i").replace("\u0131", "i")
    return _CJK_LINE_END.sub("", text)


def words(text: str) -> list[str]:
    """Split a text into normalized words; a run of Chinese, Japanese or Korean characters counts as one."""
    return [word[:MAX_WORD_CHARS] for word in _RUN.findall(normalize(text))]


def index_terms(text: str, language: str | None) -> str:
    """Write the terms that a text is found by, separated by spaces, for a full-text index that splits at spaces.

    Args:
        text: The text.
        language: Name of a Snowball stemmer; None stems nothing.
    """
    return " ".join([_terms_of_word(word, language) for word in words(text)])


def query_words(text: str) -> list[str]:
    """Select the words of a query that are searched for, in their order, each once.

    A query of many words is cut to those that tell most about its topic: words that it repeats, then long ones.
    """
    counts = Counter(words(text))
    if len(counts) <= MAX_QUERY_WORDS:
        return list(counts)
    telling = [word for word in counts if not is_frequent(word)]
    chosen = set(sorted(telling, key=lambda word: (-counts[word], -len(word), word))[:MAX_QUERY_WORDS])
    return [word for word in counts if word in chosen]


def terms_of_word(word: str, languages: Sequence[str | None]) -> list[str]:
    """List the terms of one word, each once: its stems in each of some languages."""
    return list(dict.fromkeys(term for name in languages or [None] for term in _terms_of_word(word, name).split()))


@lru_cache(maxsize=200_000)
def groups_of_word(word: str) -> frozenset[str]:
    """Letter groups of a word with its borders; none for Chinese, Japanese and Korean, which have terms for that."""
    if _is_eastern(word[0]):
        return frozenset()
    bordered = f"_{word}_"
    return frozenset(
        bordered[start : start + GROUP_LETTERS] for start in range(max(1, len(bordered) - GROUP_LETTERS + 1))
    )


@lru_cache(maxsize=200_000)
def _terms_of_word(word: str, language: str | None) -> str:
    """Terms of a word, separated by spaces; their first letter tells their kind, so that kinds never match."""
    if _is_eastern(word[0]):
        characters = [f"c{character}" for character in word]
        return " ".join([*characters, *(f"c{word[start : start + 2]}" for start in range(len(word) - 1))])
    return f"w{word}" if language is None else f"w{word} s{stem(word, language)}"


@lru_cache(maxsize=200_000)
def stem(word: str, language: str) -> str:
    """Stem a word by Snowball's rules."""
    stemmed: str = _stemmer(language).stemWord(word)
    return stemmed


@lru_cache(maxsize=32)
def _stemmer(language: str) -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer(language)


def _is_eastern(character: str) -> bool:
    return "\u3040" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7a3" or "\uf900" <= character <= "\ufaff"
