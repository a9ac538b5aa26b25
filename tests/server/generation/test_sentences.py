import time

import pytest

from reka.server.generation.sentences import passages


def test_hard_wrapped_lines_become_one_sentence_each() -> None:
    text = "The quick brown fox\njumps over the lazy\ndog.  It does so\nevery day.\n"

    assert passages(text) == ["The quick brown fox jumps over the lazy dog.", "It does so every day."]


def test_a_word_hyphenated_at_the_end_of_a_line_is_put_together_again() -> None:
    assert passages("This is the left-\nhand side.") == ["This is the left-hand side."]


def test_an_underlined_heading_is_left_out() -> None:
    assert passages("Chapter one\n***********\n\nIt was night.") == ["It was night."]


def test_a_text_that_is_only_a_heading_is_not_lost() -> None:
    assert passages("Chapter one\n") == ["Chapter one"]


def test_an_empty_text_holds_nothing() -> None:
    assert passages(" \n\n ") == []


def test_a_sentence_that_leads_to_code_takes_it_along_with_its_lines_and_indentation() -> None:
    text = "The following code:\n\n   with A() as a:\n       run(a)\n\nIt ends here."

    assert passages(text) == ["The following code:\n    with A() as a:\n        run(a)", "It ends here."]


def test_a_sentence_that_leads_to_a_list_takes_it_along() -> None:
    text = "It goes like this:\n\n1. Take the\n   first one.\n\n2. Take the second.\n\nDone."

    assert passages(text) == ["It goes like this:\n1. Take the first one.\n2. Take the second.", "Done."]


def test_a_list_too_long_to_read_is_not_wholly_taken_along() -> None:
    items = "\n".join(f"* item number {index} of the list is here" for index in range(60))

    assert all(len(passage) < 800 for passage in passages(f"All of them:\n\n{items}"))


def test_a_term_stays_with_its_explanation() -> None:
    text = "object.__enter__(self)\n\n   Enter the context.\n   It is bound."

    assert passages(text) == ["object.__enter__(self)\nEnter the context.", "It is bound."]


def test_a_table_keeps_its_lines() -> None:
    table = "+----+-----+\n| a  | b   |\n+----+-----+"

    assert passages(table) == [table]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Mr. Smith met Dr. Jones. They talked.", 2),
        ("Use a tool, e.g. Make. Then go.", 2),
        ("Version 3.11 is out. Get it!", 2),
        ('He said "Stop!" Then he left.', 2),
        ("第一句。第二句。第三句", 3),
        ("¿Qué? ¡Nada!", 2),
        ("No full stop", 1),
        ("See x.y and a.b for more.", 1),
    ],
)
def test_sentences_end_where_a_reader_says_so(text: str, count: int) -> None:
    assert len(passages(text)) == count


def test_windows_line_ends_make_no_difference() -> None:
    text = "Title\n=====\n\nOne two\nthree. Four:\n\n* five\n* six\n"

    assert passages(text.replace("\n", "\r\n")) == passages(text)


@pytest.mark.parametrize(
    "text",
    ["Mr. " * 12_000, "a(" * 25_000, "." * 50_000, "x.)))" * 10_000, "\n" * 50_000, " " * 50_000, "a\n===\n" * 8_000],
    ids=["abbreviations", "parentheses", "dots", "brackets", "lines", "spaces", "headings"],
)
def test_hostile_text_takes_time_in_proportion_to_its_length(text: str) -> None:
    started = time.process_time()

    passages(text)

    # Linear is some tens of milliseconds here, quadratic is minutes.
    assert time.process_time() - started < 5
