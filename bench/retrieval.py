"""How often retrieval finds what answers a question: the Python language reference, and questions about it.

The text (bench/reference, one file a topic) and the questions (bench/questions.json, each with the topics that answer
it) are frozen: a change of the server is measured against the same as before. The questions were written before any
tuning, but the server's settings were then chosen by what they find, with all of the questions in view: a stranger's
questions may find less. The even and the odd ones are shown apart to tell how far chance alone moves the figures.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final, get_args

from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.embedders.wordllama import WordLlamaEmbedder
from reka.server.retrieval.index import Index, Mode
from reka.server.settings import Settings
from reka.server.text.stage import chunks_of_file

FOLDER: Final = Path(__file__).parent
AMONG: Final = 5
"""A question counts as answered if one of so many chunks is from a topic that answers it."""
WANTED_RECALL: Final = 0.80


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the topics that answer it."""

    question: str
    topics: frozenset[str]


@dataclass(frozen=True, slots=True)
class Found:
    """At which place the first right chunk of each question stood, from 1; 0 for none among the first ones."""

    places: Sequence[int]
    milliseconds: Sequence[float]

    @property
    def recall(self) -> float:
        """Share of the questions with a right chunk among the first."""
        return sum(place > 0 for place in self.places) / len(self.places)

    @property
    def reciprocal_rank(self) -> float:
        """Mean of 1 / place (MRR), 0 where there is none among the first."""
        return sum(1 / place for place in self.places if place) / len(self.places)

    @property
    def median_milliseconds(self) -> float:
        """Time of the middle search."""
        return sorted(self.milliseconds)[len(self.milliseconds) // 2]


def questions() -> list[Asked]:
    """Read the questions, in the order of the file."""
    asked = json.loads((FOLDER / "questions.json").read_text(encoding="utf-8"))
    return [Asked(item["question"], frozenset(item["topics"])) for item in asked]


def reference(chunk_chars: int) -> Iterator[Chunk]:
    """Cut the reference into chunks as the server does with a zip of it."""
    for path in sorted((FOLDER / "reference").glob("*.txt")):
        yield from chunks_of_file([path.read_text(encoding="utf-8")], path.name, chunk_chars)


def ask(index: Index, asked: Sequence[Asked], mode: Mode) -> Found:
    """Ask each question once."""
    places, times = [], []
    for item in asked:
        start = perf_counter()
        hits = index.search("reference", item.question, AMONG, mode)
        times.append(1000 * (perf_counter() - start))
        right = [place for place, hit in enumerate(hits, 1) if hit.source.removesuffix(".txt") in item.topics]
        places.append(min(right, default=0))
    return Found(places, times)


def measure(asked: Sequence[Asked], chunk_chars: int) -> dict[Mode, Found]:
    """Build the index anew and ask all questions in each of the modes."""
    with tempfile.TemporaryDirectory() as folder:
        index = Index(Path(folder), WordLlamaEmbedder())
        start = perf_counter()
        count = index.build("reference", reference(chunk_chars)).total
        print(f"{count} chunks of at most {chunk_chars} characters, indexed in {perf_counter() - start:.1f} s")
        return {mode: ask(index, asked, mode) for mode in get_args(Mode)}


def main() -> int:
    """Measure and print.

    Returns:
        0 if hybrid search finds enough, and no less than each of its two parts alone; else 1.
    """
    asked = questions()
    found = measure(asked, Settings().chunk_chars)
    print(f"{len(asked)} questions about {len(set().union(*(item.topics for item in asked)))} topics\n")
    print(f"{'':8}  {f'recall@{AMONG}':>8}  {'even':>6}  {'odd':>6}  {'MRR':>5}  {'ms':>5}")
    for mode, result in found.items():
        even, odd = (Found(result.places[start::2], [0]).recall for start in (0, 1))
        print(
            f"{mode:8}  {result.recall:8.1%}  {even:6.1%}  {odd:6.1%}  {result.reciprocal_rank:5.3f}"
            f"  {result.median_milliseconds:5.1f}"
        )
    hybrid = found["hybrid"]
    missed = [item.question for item, place in zip(asked, hybrid.places, strict=True) if not place]
    print(f"\nnot found by hybrid search ({len(missed)}):", *missed, sep="\n  ")
    least = max(WANTED_RECALL, found["keyword"].recall, found["vector"].recall)
    if hybrid.recall < least:
        print(f"hybrid recall is {hybrid.recall:.1%}, want {least:.1%}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
