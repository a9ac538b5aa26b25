import pytest

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
        ("東\n京", "東京"),
        ("מִלָּה", "מלה"),
        ("كِتَابٌ", "كتاب"),
    ],
)
def test_texts_that_read_alike_are_compared_alike(one: str, other: str) -> None:
    assert words(one) == words(other)


@pytest.mark.parametrize("text", ["1,5", "a,234", "12,34", "one\ntwo"])
def test_what_only_looks_like_a_group_of_digits_is_left_alone(text: str) -> None:
    assert len(words(text)) == 2


def test_a_word_has_itself_and_its_stem() -> None:
    assert index_terms("Cats running", "english") == "wcats scat wrunning srun"
    assert index_terms("Cats running", None) == "wcats wrunning"


def test_chinese_japanese_and_korean_have_characters_and_pairs() -> None:
    assert index_terms("東京都", None) == "c東 c京 c都 c東京 c京都"
    assert index_terms("한국", "english") == "c한 c국 c한국"


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
