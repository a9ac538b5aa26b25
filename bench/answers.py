"""How well `reka serve` quotes without a language model: questions whose right sentence is known, and its speed.

The texts and questions are in tests/server/generation/answers: prose, questions and answers, Markdown, rows of tables,
HTML, and other languages. Where the collections of `bench.ranking` are, their titles are asked for too, each put at the
head of its document: an answer must not be the question again.
"""

import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

import reka
from bench.ranking import FOLDER as COLLECTIONS
from bench.ranking import Collection, read_collections
from reka.server.generation.extractive import ExtractiveBackend
from reka.server.generation.types import GenerationRequest, Snippet
from reka.server.retrieval.chunking import chunks
from reka.server.retrieval.embedders.wordllama import WordLlamaEmbedder

FOLDER: Final = Path(__file__).parents[1] / "tests" / "server" / "generation" / "answers"
WANTED_HITS: Final = 32
"""Questions of 40 whose right sentence is quoted first."""
MAX_RESTATEMENTS: Final = 0.02
"""Share of answers that are the question and nothing else."""
MAX_MILLISECONDS: Final = 20
"""For an answer from CHUNKS chunks of CHUNK_CHARS characters."""
CHUNKS, CHUNK_CHARS, RUNS = 8, 800, 20


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the sentence that answers it, or the beginning of its row."""

    kind: str
    question: str
    quotation: str


def questions() -> list[Question]:
    """Read the questions."""
    return [Question(**item) for item in json.loads((FOLDER / "questions.json").read_text(encoding="utf-8"))]


def texts() -> dict[str, str]:
    """Read the texts that answer the questions, by file name."""
    paths = [path for path in FOLDER.iterdir() if path.suffix != ".json"]
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(paths)}


def quotations(answer: str) -> list[str]:
    """List the lines that an answer quotes."""
    return [line.removeprefix("> ") for line in answer.splitlines() if line.startswith("> ")]


def ask(asked: Sequence[str], documents: Mapping[str, str]) -> list[str]:
    """Ask an embedded server about documents; return its answers."""
    with tempfile.TemporaryDirectory() as folder, reka.Reka("k", f"local:{folder}") as client:
        dataset = client.ensure_dataset("answers", texts=documents)
        return [client.chat(question, retrieval_dataset=dataset)["text"] for question in asked]


def is_hit(question: Question, answer: str) -> bool:
    """Tell whether the right sentence is quoted first."""
    first = " ".join(chain.from_iterable(map(str.split, quotations(answer)[:1])))
    return first.startswith(question.quotation)


def restatements(collection: Collection) -> float:
    """Ask for the titles of a collection; return the share of answers that only repeat them."""
    title_of = {name: collection.queries[query] for query, names in collection.relevant.items() for name in names}
    documents = {name: f"{title_of.get(name, name)}\n\n{text}" for name, text in collection.documents.items()}
    asked = list(collection.queries.values())
    lines = map(quotations, ask(asked, documents))
    same = [
        all(_plain(line) == _plain(question) for line in quoted) for question, quoted in zip(asked, lines, strict=True)
    ]
    return sum(same) / len(same)


def milliseconds() -> dict[str, float]:
    """Time answers from CHUNKS full chunks, of prose and of rows; the median of RUNS."""
    backend = ExtractiveBackend(WordLlamaEmbedder())
    prose = "\n\n".join(text for name, text in texts().items() if name.endswith(".txt"))
    columns, _, rows = texts()["parts.csv"].partition("\n")
    times = {}
    for name, text, context in (("prose", prose * 3, ""), ("rows", rows * 2, columns)):
        cut = [chunk.text for chunk in islice(chunks([text], name, CHUNK_CHARS), CHUNKS)]
        asked = GenerationRequest(
            [{"role": "user", "content": "What is the price of the lighthouse?"}],
            "m",
            [Snippet(chunk, f"{place}.txt", 1, 1, context) for place, chunk in enumerate(cut)],
        )
        times[name] = median(_time(backend, asked) for _ in range(RUNS))
    return times


def main() -> int:
    """Measure and print.

    Returns:
        0 if enough is quoted first, little is only the question again, and it is quick; else 1.
    """
    asked = questions()
    answers = ask([item.question for item in asked], texts())
    hits = [is_hit(item, answer) for item, answer in zip(asked, answers, strict=True)]
    of_kind = Counter(item.kind for item in asked)
    right = Counter(item.kind for item, hit in zip(asked, hits, strict=True) if hit)
    print(f"{sum(hits)} of {len(asked)} questions have the right sentence quoted first")
    print(*(f"  {kind:10} {right[kind]} of {count}" for kind, count in of_kind.items()), sep="\n")
    for item, answer, hit in zip(asked, answers, hits, strict=True):
        if not hit:
            print(f"  missed: {item.question}", *quotations(answer), sep="\n    ")
    shares = {item.name: restatements(item) for item in read_collections(COLLECTIONS) if item.name.startswith("help")}
    print(*(f"{name}: {share:.1%} of the answers are the question again" for name, share in shares.items()), sep="\n")
    times = milliseconds()
    print(*(f"{CHUNKS} chunks of {name}: {time:.1f} ms" for name, time in times.items()), sep="\n")
    is_good = sum(hits) >= WANTED_HITS and max(times.values()) <= MAX_MILLISECONDS
    return 0 if is_good and max(shares.values(), default=0) <= MAX_RESTATEMENTS else 1


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _time(backend: ExtractiveBackend, request: GenerationRequest) -> float:
    start = perf_counter()
    asyncio.run(backend.generate(request))
    return 1000 * (perf_counter() - start)


if __name__ == "__main__":
    sys.exit(main())
