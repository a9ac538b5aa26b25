"""What a table keeps of a chunk besides its terms and vector: the text that is searched, and what its file adds."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.languages import detect_language
from reka.server.retrieval.terms import MAX_WORD_CHARS, index_terms

MAX_HEADING_CHARS: Final = 128
"""Characters of the words of a file's name that go into each of its chunks, the last ones (ours)."""

LEAD_WORDS: Final = 30
"""Words at the beginning of a file that count for each of its chunks (bench.ranking)."""

LEAD_CHARS: Final = LEAD_WORDS * (MAX_WORD_CHARS + 1)
"""Characters that have so many words, however long."""

ORDINAL_BITS: Final = 28
"""Bits of a chunk's id that hold its place in its document; those above hold the document's number."""

_NO_WORDS: Final = re.compile(r"[\d ]+|(?=.*\d)[0-9a-f ]{8,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A chunk with what its file adds to it."""

    chunk: Chunk
    id: int
    """Ascending in the order of the dataset, and the same for as long as its document is; see `ORDINAL_BITS`."""
    passage: str
    """The text under the words of its file's name, the lines about its document, and its context."""
    language: str | None
    lead: str
    """Terms of the first words of its file."""


def entries(chunks: Iterable[Chunk]) -> Iterator[Entry]:
    """Add to chunks, which come file by file, what their file adds to them."""
    origin, heading, language, lead = None, "", None, ""
    number = -1
    for chunk in chunks:
        if (chunk.document, chunk.source) != origin:
            origin, heading = (chunk.document, chunk.source), _heading(chunk.source)
            language = detect_language(chunk.text, language)
            first = index_terms((_under(chunk.context) + chunk.text)[:LEAD_CHARS], language)
            lead = " ".join(first.split(" ", 2 * LEAD_WORDS)[: 2 * LEAD_WORDS])
        passage = heading + chunk.about + _under(chunk.context) + chunk.text
        number = max(number + 1, chunk.document << ORDINAL_BITS)
        yield Entry(chunk, number, passage, language, lead)


def _under(context: str) -> str:
    return f"{context}\n" if context else ""


def _heading(source: str) -> str:
    """Return the words of a file's name as a line: a text about `with` often names its topic in its file name alone.

    A name without words, such as a number or a hash, says nothing.
    """
    words = re.sub(r"[\W_]+", " ", re.sub(r"\.\w+$", "", source)).strip()
    return f"{words[-MAX_HEADING_CHARS:]}\n" if words and not _NO_WORDS.fullmatch(words) else ""
