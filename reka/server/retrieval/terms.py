"""Terms of a text: what keyword search compares. Pure functions; nothing here changes what is quoted.

A word is compared as it is and by its stem; Chinese, Japanese, Korean, Thai and others that are not divided by spaces,
by single characters and pairs of them. Ranking also compares the letter groups of words, which find other forms and
compounds, and pairs of adjacent words.
"""

import re
import threading
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

_DIVIDERS: Final = " .,'"

MAX_WORD_CHARS: Final = 64
"""Characters of a word that are compared: longer ones are data, not words (ours)."""

_CJK: Final = "\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HANGUL: Final = "\uac00-\ud7a3"
_SOUTHEAST: Final = "\u0e01-\u0eff\u1000-\u109f\u1780-\u17d3"
"""Thai, Lao, Burmese and Khmer, whose words are not divided by spaces either."""

_EASTERN: Final = re.compile(f"[{_CJK}{_HANGUL}{_SOUTHEAST}]")


# Marks that go on a letter, such as vowel signs, belong to a word, and the expression of word characters lacks them.
_MARKS: Final = "".join(chr(code) for code in range(0x300, 0x3000) if unicodedata.category(chr(code))[0] == "M")
_LETTER: Final = f"[^\\W_{_CJK}{_HANGUL}{_SOUTHEAST}]"
_RUN: Final = re.compile(f"[{_CJK}]+|[{_HANGUL}]+|[{_SOUTHEAST}]+|{_LETTER}+(?:[{_MARKS}]+{_LETTER}*)*")
_ASCII_RUN: Final = re.compile("[a-z0-9]+")

# Soft hyphens with the line ends that they make, zero-width characters, direction marks, variation selectors; and the
# points of Arabic and Hebrew, mostly left out.
_INVISIBLE: Final = re.compile(
    "\u00ad(?:[ \t]*\r?\n[ \t]*)?|[\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8]"
)
_CJK_LINE_END: Final = re.compile(f"(?<=[{_CJK}])[ \t]*\r?\n[ \t]*(?=[{_CJK}])")
_FIXED_GROUP: Final = re.compile("(?<=\\d)[\u00a0\u2009\u202f\u2019\u066c](?=\\d{3}(?!\\d))")
"""What divides groups of digits, and nothing else."""

_GROUPS: Final = re.compile(r"[1-9](?<![\d.,'].)(?<!\d .)\d{0,2}([ .,'])\d{3}(?:\1\d{3})*(?!\d|\1\d)")
"""A number in groups of digits, divided by what may also divide numbers."""


def normalize(text: str, kept: str = " ") -> str:
    """Write a text so that equal words are equal: compatibility forms, case, marks that are often left out.

    Args:
        text: Any text.
        kept: Of what divides groups of digits, such as the comma of `10,000`, the characters that may as well divide
            numbers: the groups stand beside the whole number then.
    """
    if text.isascii():
        text = text.lower()
    else:
        # The Turkish capital with a dot becomes two characters, and one without a dot is an i elsewhere.
        text = plain(_FIXED_GROUP.sub("", text)).casefold().replace("i\u0307", "i").replace("\u0131", "i")
    return _GROUPS.sub(lambda found: _whole_number(found, kept), text)


def plain(text: str) -> str:
    """Write a text as it is embedded: in compatibility forms, without what is not seen or mostly left out."""
    if text.isascii():
        return text
    return _CJK_LINE_END.sub("", _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)))


def _whole_number(found: "re.Match[str]", kept: str) -> str:
    number = found[0].replace(found[1], "")
    return f"{number} {found[0]}" if found[1] in kept else number


def words(text: str, kept: str = " ") -> list[str]:
    """Split a text into normalized words; a run of a script without spaces, such as Chinese, counts as one.

    Args:
        text: Any text.
        kept: See `normalize`.
    """
    normal = normalize(text, kept)
    if normal.isascii():
        return [word[:MAX_WORD_CHARS] for word in _ASCII_RUN.findall(normal)]
    return [word[:MAX_WORD_CHARS] for word in _RUN.findall(normal)]


def index_terms(text: str, language: str | None) -> str:
    """Write the terms that a text is found by, separated by spaces, for a full-text index that splits at spaces.

    Args:
        text: The text.
        language: Name of a Snowball stemmer; None stems nothing.
    """
    return " ".join([_terms_of_word(word, language) for word in words(text, _DIVIDERS)])


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


_STEMMING: Final = threading.Lock()
"""A stemmer keeps the word in its attributes, so two threads spoil each other's."""


@lru_cache(maxsize=10_000)
def groups_of_word(word: str) -> frozenset[str]:
    """Letter groups of a word with its borders; none for scripts without spaces, which have terms for that."""
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
    return f"w{word}" if language is None else f"w{word} s{_stem(word, language)}"


def _stem(word: str, language: str) -> str:
    """Stem a word by Snowball's rules, which leave numbers as they are."""
    if word.isdecimal() and word.isascii():
        return word
    with _STEMMING:
        stemmed: str = _stemmer(language).stemWord(word)
    return stemmed


@lru_cache(maxsize=32)
def _stemmer(language: str) -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer(language)


def _is_eastern(character: str) -> bool:
    return character > "\u0dff" and _EASTERN.match(character) is not None
