"""How well search ranks on collections that nobody wrote for it, in several languages: nDCG@10 and recall@5.

Each collection is a file `NAME.json.xz` with documents, queries and the documents that are relevant to each query. They
are looked for in the folder that REKA_COLLECTIONS names, else in `shared/retrieval` beside this project; without one,
nothing is measured. Settings of the search are chosen by the even queries and judged by the odd ones.

    python -m bench.ranking [wordllama | universal-sentence-encoder]

An embedder of several languages is also asked in English for pages in others. Each query is also cut to its words that
no text of the collection has: what vectors alone can find.
"""

import json
import lzma
import math
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Final, get_args

from reka.server.retrieval.embedders.choice import make_embedder
from reka.server.retrieval.embedders.sentence_encoder import SENTENCE_ENCODER
from reka.server.retrieval.index import Index, Mode
from reka.server.retrieval.languages import detect_language, is_frequent
from reka.server.retrieval.terms import index_terms, query_words, terms_of_word
from reka.server.settings import Settings
from reka.server.text.stage import chunks_of_file

FOLDER: Final = Path(os.environ.get("REKA_COLLECTIONS") or Path(__file__).parents[2] / "shared" / "retrieval")
HITS, RANKED, AMONG = 50, 10, 5
"""Chunks that are searched for; documents that count for nDCG, and for recall."""

WANTED: Final[Mapping[str, float]] = {"": 0.78, "section": 0.75, "deep": 0.79, "across": 0.60}
"""Least mean nDCG@10 of hybrid search, by the kind of collection: the first word of its name, or none."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents, and queries with the names of the documents that answer them."""

    name: str
    documents: Mapping[str, str]
    queries: Mapping[str, str]
    relevant: Mapping[str, Sequence[str]]

    @property
    def kind(self) -> str:
        """What the queries are: headings of sections, words deep inside a document, or titles, maybe in English."""
        first = self.name.split("-", 1)[0]
        return first if first in WANTED else ""

    def without_words(self) -> "Collection":
        """Return the collection with its queries cut to the telling words that none of its texts has."""
        languages = {name: detect_language(text) for name, text in self.documents.items()}
        terms = {t for name, text in self.documents.items() for t in index_terms(text, languages[name]).split()}
        cut = {
            key: [
                word
                for word in query_words(query)
                if not is_frequent(word) and terms.isdisjoint(terms_of_word(word, list(set(languages.values()))))
            ]
            for key, query in self.queries.items()
        }
        return replace(self, queries={key: " ".join(words) for key, words in cut.items() if words})


@dataclass(frozen=True, slots=True)
class Result:
    """Figures of each query of a collection, in order."""

    gains: Sequence[float]
    found: Sequence[bool]
    milliseconds: Sequence[float]


def read_collections(folder: Path) -> list[Collection]:
    """Read the collections of a folder, by name."""
    texts = {
        path.name.removesuffix(".json.xz"): json.loads(lzma.decompress(path.read_bytes()))
        for path in folder.glob("*.json.xz")
    }
    return [
        Collection(
            name,
            text.get("documents") or texts[name.split("-", 1)[1]]["documents"],
            text["queries"],
            text["relevant"],
        )
        for name, text in sorted(texts.items())
    ]


def across_languages(collections: Sequence[Collection]) -> list[Collection]:
    """Make collections of the English queries and the same pages in other languages, which have the same keys."""
    pages = {one.name: one for one in collections if one.name.startswith("help-")}
    english = pages.pop("help-en", None)
    if english is None:
        return []
    return [
        Collection(f"across-{name}", one.documents, {key: english.queries[key] for key in one.relevant}, one.relevant)
        for name, one in pages.items()
    ]


def measure(collection: Collection, index: Index, mode: Mode) -> Result:
    """Search for each query of a collection."""
    gains, found, times = [], [], []
    for name, query in collection.queries.items():
        start = perf_counter()
        hits = index.search("documents", query, HITS, mode)
        times.append(1000 * (perf_counter() - start))
        ranked = list(dict.fromkeys(hit.source for hit in hits))
        relevant = collection.relevant[name]
        gains.append(ndcg(ranked[:RANKED], relevant))
        found.append(any(source in relevant for source in ranked[:AMONG]))
    return Result(gains, found, times)


def ndcg(ranked: Sequence[str], relevant: Sequence[str]) -> float:
    """Normalized discounted cumulative gain of a ranking."""
    best = sum(1 / math.log2(place + 2) for place in range(min(RANKED, len(relevant))))
    return sum(1 / math.log2(place + 2) for place, name in enumerate(ranked) if name in relevant) / best


def main() -> int:
    """Measure and print.

    Returns:
        0 if hybrid search ranks well enough; else 1.
    """
    collections = read_collections(FOLDER)
    if not collections:
        print(f"no collections in {FOLDER}: set REKA_COLLECTIONS")
        return 0
    embedder = make_embedder(sys.argv[1] if len(sys.argv) > 1 else "auto")
    if embedder.name == SENTENCE_ENCODER:
        collections += across_languages(collections)
    print(f"embedder: {embedder.name}")
    gains: dict[tuple[str, Mode], list[tuple[float, float]]] = {}
    unseen: dict[Mode, list[bool]] = {"keyword": [], "hybrid": []}
    print(f"{'':18} {'mode':8} {'nDCG@10':>8} {'even':>6} {'odd':>6} {'recall@5':>8} {'ms':>6}")
    for collection in collections:
        with tempfile.TemporaryDirectory() as folder:
            index = Index(Path(folder), embedder)
            texts = sorted(collection.documents.items())
            size = Settings().chunk_chars
            index.build("documents", (chunk for name, text in texts for chunk in chunks_of_file([text], name, size)))
            for mode in get_args(Mode):
                result = measure(collection, index, mode)
                even, odd = mean(result.gains[::2]), mean(result.gains[1::2])
                gains.setdefault((collection.kind, mode), []).append((even, odd))
                middle = sorted(result.milliseconds)[len(result.milliseconds) // 2]
                print(
                    f"{collection.name:18} {mode:8} {mean(result.gains):8.3f} {even:6.3f} {odd:6.3f}"
                    f" {mean(result.found):8.3f} {middle:6.1f}",
                    flush=True,
                )
            without_words = collection.without_words()
            for mode in unseen:
                unseen[mode] += measure(without_words, index, mode).found
    figures = ", ".join(f"{mode} {mean(found):.3f}" for mode, found in unseen.items())
    print(f"{len(unseen['hybrid'])} queries cut to words that no text has, recall@5: {figures}")
    missed = 0
    for (kind, mode), pairs in gains.items():
        value = mean(mean(pair) for pair in pairs)
        line = f"mean of {kind or 'titles':8} {mode:8} {value:.3f}, odd queries {mean(odd for _, odd in pairs):.3f}"
        if mode == "hybrid":
            missed += value < WANTED[kind]
            line += f"  {'ok' if value >= WANTED[kind] else 'MISSED'}, want at least {WANTED[kind]:.2f}"
        print(line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
