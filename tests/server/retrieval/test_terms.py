import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import snowballstemmer

from reka.server.retrieval.terms import (
    MAX_QUERY_WORDS,
    MAX_WORD_CHARS,
    groups_of_word,
    index_terms,
    normalize,
    query_words,
    terms_of_word,
    words,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ﬁle", "file"),
        ("ＡＢＣ１２３", "abc123"),
        ("STRASSE", "straße"),
        ("İstanbul", "istanbul"),
        ("ışık", "işik"),
        ("co\u00adoperate", "cooperate"),
        ("zero\u200bwidth", "zerowidth"),
        ("1,234,567", "1234567"),
        ("1\u202f234", "1234"),
        ("1\u00a0234\u00a0567", "1234567"),
        ("1.234.567", "1234567"),
        ("1'234", "1234"),
        ("1\u2019234", "1234"),
        ("\uff11\uff0c\uff12\uff13\uff14", "1234"),
        ("東\n京", "東京"),
        ("東\u3000\r\n  京", "東京"),
        ("co\u00ad\n  operate", "cooperate"),
        ("wo\u2060rd\ufe0f", "word"),
        ("\u202bword\u202c", "word"),
        ("בית־ספר", "בית ספר"),
        ("هٰذَا", "هذا"),
        ("ﻻ", "لا"),
        ("cafe\u0301", "café"),
        ("מִלָּה", "מלה"),
        ("كِتَابٌ", "كتاب"),
    ],
)
def test_texts_that_read_alike_are_compared_alike(one: str, other: str) -> None:
    assert words(one) == words(other)


def test_a_number_in_groups_is_found_as_a_whole_and_by_its_groups() -> None:
    for text in ("10,000", "10.000", "10 000", "10'000", "10\u202f000", "10000"):
        assert "w10000" in index_terms(text, None).split()
        assert "10000" in query_words(text)
    assert index_terms("row 5,100,200", None) == "wrow w5100200 w5 w100 w200"
    assert words("10,000 lines") == ["10000", "lines"]
    assert words("1,234.56 and 1.234,56") == ["1234", "56", "and", "1234", "56"]


@pytest.mark.parametrize(
    "text", ["1,5", "a,234", "12,34", "one\ntwo", "0.125", "2026 100", "3.14159", "1234,567", "60.7277"]
)
def test_what_only_looks_like_a_group_of_digits_is_left_alone(text: str) -> None:
    assert len(words(text)) == 2


def test_a_word_has_itself_and_its_stem() -> None:
    assert index_terms("Cats running", "english") == "wcats scat wrunning srun"
    assert index_terms("Cats running", None) == "wcats wrunning"


def test_chinese_japanese_and_korean_have_characters_and_pairs() -> None:
    assert index_terms("東京都", None) == "c東 c京 c都 c東京 c京都"
    assert index_terms("한국", "english") == "c한 c국 c한국"


def test_other_scripts_without_spaces_have_characters_and_pairs() -> None:
    assert index_terms("ไทย", None) == "cไ cท cย cไท cทย"
    assert index_terms("時々", None) == "c時 c々 c時々"


@pytest.mark.parametrize("word", ["हिन्दी", "বাংলা", "தமிழ்", "తెలుగు"])
def test_a_word_keeps_its_vowel_signs(word: str) -> None:
    assert words(f"{word} {word}") == [word, word]


def test_a_name_of_several_words_is_found_by_each() -> None:
    assert words("snake_case(x.y)") == ["snake", "case", "x", "y"]


def test_a_word_has_stems_of_all_languages_of_a_dataset() -> None:
    assert terms_of_word("chats", ["english", "french"]) == ["wchats", "schat"]
    assert terms_of_word("running", ["english", None]) == ["wrunning", "srun"]


def test_letter_groups_have_the_borders_of_a_word() -> None:
    assert groups_of_word("cats") == {"_cat", "cats", "ats_"}
    assert groups_of_word("a") == {"_a_"}
    assert groups_of_word("東京") == frozenset()


def test_a_word_of_a_query_counts_once() -> None:
    assert query_words("the cat, the dog and the cat") == ["the", "cat", "dog", "and"]


def test_a_long_query_is_cut_to_the_words_that_tell_most() -> None:
    filler = " ".join(f"filler{number:03}" for number in range(300))

    chosen = query_words(f"what is the retrieval of {filler} retrieval")

    assert len(chosen) == MAX_QUERY_WORDS
    assert chosen[0] == "retrieval"
    assert not {"what", "is", "the", "of"} & set(chosen)


def test_data_without_spaces_is_no_word_of_any_length() -> None:
    assert words("x" * 10_000) == ["x" * MAX_WORD_CHARS]


def test_normalizing_twice_changes_nothing_more() -> None:
    text = "İ ﬁ STRASSE 1,234 東\n京 \u00ad"

    assert normalize(normalize(text)) == normalize(text)


def test_threads_that_stem_at_once_get_what_each_gets_alone() -> None:
    shares = [[f"{thread}{word}{end}" for word in range(300) for end in ("ationally", "ities")] for thread in "bcdf"]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(len(shares)) as pool:
            together = list(pool.map(lambda share: [terms_of_word(word, ["english"])[-1] for word in share], shares))
    finally:
        sys.setswitchinterval(interval)

    stemmer = snowballstemmer.stemmer("english")
    assert together == [[f"s{stem}" for stem in stemmer.stemWords(share)] for share in shares]
