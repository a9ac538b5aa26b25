"""What a table keeps of a chunk: the text that is searched, and the terms that it is found by."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.languages import detect_language
from reka.server.retrieval.terms import index_terms

MAX_HEADING_CHARS: Final = 128
"""Characters of the words of a file's name that go into each of its chunks, the last ones (ours)."""

LEAD_WORDS: Final = 30
"""Words at the beginning of a file that count for each of its chunks (bench.ranking)."""


_NO_WORDS: Final = re.compile(r"[\d ]+|(?=.*\d)[0-9a-f ]{8,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A chunk with what its file adds to it."""

    chunk: Chunk
    passage: str
    """The text under the words of its file's name and its context."""
    language: str | None
    terms: str
    lead: str
    """Terms of the first words of its file."""


def entries(chunks: Iterable[Chunk]) -> Iterator[Entry]:
    """Add to chunks, which come file by file, what they are searched by."""
    source, heading, language, lead = None, "", None, ""
    for chunk in chunks:
        if chunk.source != source:
            source, heading = chunk.source, _heading(chunk.source)
            language = detect_language(chunk.text, language)
            first = index_terms(_under(chunk.context) + chunk.text, language)
            lead = " ".join(first.split(" ", 2 * LEAD_WORDS)[: 2 * LEAD_WORDS])
        passage = heading + _under(chunk.context) + chunk.text
        yield Entry(chunk, passage, language, index_terms(passage, language), lead)


def _under(context: str) -> str:
    return f"{context}\n" if context else ""


def _heading(source: str) -> str:
    """Return the words of a file's name as a line: a text about `with` often names its topic in its file name alone.

    A name without words, such as a number or a hash, says nothing.
    """
    words = re.sub(r"[\W_]+", " ", re.sub(r"\.\w+$", "", source)).strip()
    return f"{words[-MAX_HEADING_CHARS:]}\n" if words and not _NO_WORDS.fullmatch(words) else ""
