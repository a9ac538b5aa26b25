from collections.abc import Iterator
from pathlib import Path

import pytest

from reka.server.faults import is_transient
from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.index import COPIED_CHUNKS, EMBED_CHUNKS, Index, Mode
from tests.support.embedders import WordEmbedder

TEXTS = [
    "The cat sat on the mat.",
    "A dog barked all night.",
    "東京は日本の首都です。",
    "def snake_case(): ...",
    "The end.",
]
MODES: list[Mode] = ["hybrid", "keyword", "vector"]


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path / "index", WordEmbedder())


def of(texts: list[str]) -> Iterator[Chunk]:
    return (Chunk(text, f"{place}.txt", place) for place, text in enumerate(texts))


def test_a_hit_tells_text_source_place_score_and_similarity(index: Index) -> None:
    index.build("t", of(TEXTS))

    best = index.search("t", "The cat sat on the mat.", 1)[0]

    assert (best.text, best.source, best.position) == (TEXTS[0], "0.txt", 0)
    assert best.score == pytest.approx(1, abs=0.1)
    assert best.similarity == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(("query", "place"), [("DOG", 1), ("首都", 2), ("snake", 3), ("case", 3), ("cat's", 0)])
def test_a_word_is_found_in_any_case_and_script_and_inside_a_name(index: Index, query: str, place: int) -> None:
    index.build("t", of(TEXTS))

    assert [hit.position for hit in index.search("t", query, 5, "keyword")] == [place]


@pytest.mark.parametrize(
    "query", ["the", "the of and", "cat AND (", '"cat', "cat OR *", "-cat", "a:b ^ ~", "\0", "%' --"]
)
@pytest.mark.parametrize("mode", MODES)
def test_nothing_in_a_query_is_syntax(index: Index, query: str, mode: Mode) -> None:
    index.build("t", of(TEXTS))

    found = index.search("t", query, 5, mode)

    assert {hit.position for hit in found} <= set(range(5))
    assert ("cat" in query and mode == "keyword") <= (0 in {hit.position for hit in found})


@pytest.mark.parametrize(
    ("written", "embedded"),
    [
        ("A light\u00adhouse on the coast", "A lighthouse on the coast"),
        ("light\u00ad\n  house", "lighthouse"),
        ("ligh\u200bthouse\u2060 \ufb01re", "lighthouse fire"),
        ("\uff2c\uff29\uff27\uff28\uff34", "LIGHT"),
        ("首\n都", "首都"),
        ("cafe\u0301", "caf\u00e9"),
        ("شَمْس", "شمس"),
        ("Straße, İstanbul", "Straße, İstanbul"),
    ],
)
def test_what_reads_alike_is_embedded_alike_and_quoted_as_it_is(tmp_path: Path, written: str, embedded: str) -> None:
    embedder = WordEmbedder()
    index = Index(tmp_path / "index", embedder)
    index.build("t", of([written]))

    (found,) = index.search("t", written, 1, "vector")

    assert embedder.embedded == [embedded, embedded]
    assert found.text == written
    assert found.similarity == pytest.approx(1)


def test_frequent_words_of_the_language_find_a_chunk_only_if_a_query_has_no_others(index: Index) -> None:
    index.build("t", of(["The cat and the dog.", "The end of the day is not the end of the world."]))

    assert [hit.position for hit in index.search("t", "is the cat there", 5, "keyword")] == [0]
    assert [hit.position for hit in index.search("t", "is not", 5, "keyword")] == [1]


@pytest.mark.parametrize("query", ["", "  ", "\n"])
def test_a_query_of_white_space_finds_nothing(index: Index, query: str) -> None:
    index.build("t", of(TEXTS))

    assert index.search("t", query, 5) == []


def test_a_very_long_query_is_looked_at_in_part(index: Index) -> None:
    index.build("t", of(TEXTS))

    assert index.search("t", "dog " * 100_000, 1)[0].position == 1


@pytest.mark.parametrize("mode", MODES)
def test_among_equals_the_first_of_the_dataset_come_first_each_time(index: Index, mode: Mode) -> None:
    index.build("t", (Chunk("the very same words", "a.txt", place) for place in range(3000)))

    first = index.search("t", "same words", 7, mode)

    assert [hit.position for hit in first] == list(range(7))
    assert all(index.search("t", "same words", 7, mode) == first for _ in range(5))


@pytest.mark.parametrize("mode", MODES)
def test_scores_never_rise_and_similarities_are_cosines(index: Index, mode: Mode) -> None:
    index.build("t", of([f"word{number % 7} word{number % 11} tail" for number in range(400)]))

    found = index.search("t", "word3 word5", 100, mode)

    scores = [hit.score for hit in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= hit.score <= 1 for hit in found)
    assert all((hit.similarity is None) == (mode == "keyword") and abs(hit.similarity or 0) <= 1 for hit in found)
    assert len({hit.position for hit in found}) == len(found)


def test_more_are_asked_for_than_there_are(index: Index) -> None:
    index.build("t", of(TEXTS[:2]))

    assert len(index.search("t", "cat dog", 100)) == 2


def test_a_build_that_is_stopped_leaves_no_table(index: Index) -> None:
    def stop(count: int) -> None:
        if count > 20_000:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        index.build("t", of(["some words"] * 30_000), stop)
    assert index.tables() == []


def test_a_build_tells_how_far_it_is(index: Index) -> None:
    counts: list[int] = []

    built = index.build("t", of(["some words"] * (2 * EMBED_CHUNKS + 5)), counts.append)

    assert list(dict.fromkeys(counts)) == [EMBED_CHUNKS, 2 * EMBED_CHUNKS, 2 * EMBED_CHUNKS + 5]
    assert built.total == counts[-1]


def test_a_table_may_be_empty(index: Index) -> None:
    assert index.build("t", iter([])).total == 0
    assert index.search("t", "cat", 5) == []


def test_a_dropped_table_is_gone_and_may_be_dropped_again(index: Index) -> None:
    index.build("t", of(TEXTS))

    index.drop("t")
    index.drop("t")

    assert index.tables() == []


def test_the_name_of_a_file_helps_to_find_its_text(index: Index) -> None:
    index.build("t", iter([Chunk("It wraps a block.", "docs/with_statement.txt", 0), Chunk("Other.", "b.txt", 0)]))

    found = index.search("t", "statement", 1, "keyword")

    assert [(hit.source, hit.text) for hit in found] == [("docs/with_statement.txt", "It wraps a block.")]


def test_a_chunk_is_found_by_its_context_which_is_not_quoted(index: Index) -> None:
    fees = [
        Chunk("The fee is 12 crowns.", "a.md", 9, "Ports > Bergen"),
        Chunk("The fee is 40.", "a.md", 99, "Ports > Oslo"),
    ]
    index.build("t", iter(fees))

    found = index.search("t", "fee in Oslo", 1, "keyword")

    assert [(hit.text, hit.position, hit.context) for hit in found] == [("The fee is 40.", 99, "Ports > Oslo")]


def test_a_number_or_a_hash_as_a_name_says_nothing(index: Index) -> None:
    index.build("t", iter([Chunk("Some text.", "0042.txt", 0), Chunk("Some other text.", "deadbeef01.md", 0)]))

    assert index.search("t", "0042 deadbeef01", 2, "keyword") == []


@pytest.mark.parametrize(("query", "place"), [("authenticating", 0), ("drucken", 1), ("imprimer", 2)])
def test_other_forms_of_a_word_are_found_in_the_language_of_each_text(index: Index, query: str, place: int) -> None:
    texts = [
        "The server authenticates each of the users by a key.",
        "Der Drucker druckt den Text, und die Aufträge warten in der Liste.",
        "Le texte est imprimé sur la page, et vous imprimez les pages que vous voulez.",
    ]
    index.build("t", of(texts))

    assert index.search("t", query, 1, "keyword")[0].position == place


def test_a_change_into_which_another_process_writes_is_not_taken_and_taken_back_by_the_next(tmp_path: Path) -> None:
    here, there = (Index(tmp_path / "index", WordEmbedder()) for _ in range(2))
    base = here.build("t", (Chunk(f"text {place}", "a", place, document=1) for place in range(COPIED_CHUNKS + 1))).at
    added = [Chunk("one more text", "b", 0, document=2)]
    strays = iter([[Chunk("stray", "c", 0, document=3)]])

    def write_there(_: int) -> None:
        for stray in strays:
            there.change(base, "t3", (), stray)

    with pytest.raises(RuntimeError, match="concurrent writers") as error:
        here.change(base, "t2", (), added, write_there)
    changed = here.change(base, "t2", (), added)

    assert is_transient(error.value)
    assert changed.total == COPIED_CHUNKS + 2
    assert here.search(changed.at, "stray", 5, "keyword") == []
