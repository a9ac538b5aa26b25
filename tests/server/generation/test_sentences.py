import time

import pytest

from reka.server.generation.sentences import Passage, passages


def texts(text: str) -> list[str]:
    return [passage.text for passage in passages(text)]


def contexts(text: str) -> dict[str, tuple[str, ...]]:
    return {passage.text: passage.context for passage in passages(text)}


def test_hard_wrapped_lines_become_one_sentence_each() -> None:
    text = "The quick brown fox\njumps over the lazy\ndog.  It does so\nevery day.\n"

    assert texts(text) == ["The quick brown fox jumps over the lazy dog.", "It does so every day."]


def test_a_word_hyphenated_at_the_end_of_a_line_is_put_together_again() -> None:
    assert texts("This is the left-\nhand side.") == ["This is the left-hand side."]


def test_an_underlined_heading_is_left_out() -> None:
    assert texts("Chapter one\n***********\n\nIt was night.") == ["It was night."]


def test_a_text_that_is_only_a_heading_is_not_lost() -> None:
    assert texts("Chapter one\n") == ["Chapter one"]


def test_an_empty_text_holds_nothing() -> None:
    assert texts(" \n\n ") == []


def test_a_sentence_that_leads_to_code_takes_it_along_with_its_lines_and_indentation() -> None:
    text = "The following code:\n\n   with A() as a:\n       run(a)\n\nIt ends here."

    assert texts(text) == ["The following code:\n    with A() as a:\n        run(a)", "It ends here."]


def test_a_sentence_that_leads_to_a_list_takes_it_along() -> None:
    text = "It goes like this:\n\n1. Take the\n   first one.\n\n2. Take the second.\n\nDone."

    assert texts(text)[0] == "It goes like this:\n1. Take the first one.\n2. Take the second."
    assert contexts(text)["2. Take the second."] == ("It goes like this",)
    assert texts(text)[-1] == "Done."


def test_a_list_too_long_to_read_is_not_wholly_taken_along() -> None:
    items = "\n".join(f"* item number {index} of the list is here" for index in range(60))

    assert all(len(passage) < 800 for passage in texts(f"All of them:\n\n{items}"))


def test_a_term_stays_with_its_explanation() -> None:
    text = "object.__enter__(self)\n\n   Enter the context.\n   It is bound."

    assert texts(text) == ["object.__enter__(self)\nEnter the context.", "It is bound."]


def test_a_table_keeps_its_lines() -> None:
    table = "+----+-----+\n| a  | b   |\n+----+-----+"

    assert texts(table) == [table]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Mr. Smith met Dr. Jones. They talked.", 2),
        ("Use a tool, e.g. Make. Then go.", 2),
        ("Version 3.11 is out. Get it!", 2),
        ('He said "Stop!" Then he left.', 2),
        ("第一句。第二句。第三句", 3),
        ("彼は「行く。」と言った。それだけだ。", 2),
        ("¿Qué? ¡Nada!", 1),
        ("No full stop", 1),
        ("See x.y and a.b for more.", 1),
    ],
)
def test_sentences_end_where_a_reader_says_so(text: str, count: int) -> None:
    assert len(texts(text)) == count


def test_headings_of_every_kind_are_the_context_of_what_follows() -> None:
    marked = "# Ports\n\n## Bergen\n\nIt is wet.\n\n## Oslo\n\nIt is dry."
    underlined = "Ports\n=====\n\nBergen\n------\n\nIt is wet.\n\nOslo\n----\n\nIt is dry."

    for text in (marked, underlined):
        assert contexts(text) == {"It is wet.": ("Ports", "Bergen"), "It is dry.": ("Ports", "Oslo")}


def test_a_line_of_its_own_is_a_heading_and_may_be_quoted_if_nothing_else_fits() -> None:
    first, second = passages("The Super key\n\nIt opens the overview.")

    assert (first.text, first.is_heading) == ("The Super key", True)
    assert (second.text, second.context) == ("It opens the overview.", ("The Super key",))


@pytest.mark.parametrize(
    "text",
    [
        "What is it?\n\nA key. It is blue.\n\nIt is small.",
        "Q: What is it?\nA: A key. It is blue.",
        "### What is it?\n\nA key. It is blue.",
        "What is it? A key. It is blue.",
    ],
    ids=["own line", "marked by letters", "heading", "same paragraph"],
)
def test_a_question_of_the_text_is_the_context_of_its_answer(text: str) -> None:
    assert contexts(text)["A key."] == contexts(text)["It is blue."] == ("What is it?",)
    assert "What is it?" not in texts(text)


def test_the_question_of_a_paragraph_ends_with_it() -> None:
    assert contexts("Why? Because.\n\nAnother day came.")["Another day came."] == ()


def test_rows_are_read_under_the_names_of_their_columns() -> None:
    assert passages("id,name\n1,Ann\n2,Bob") == [
        Passage("1,Ann", ("id,name",), None),
        Passage("2,Bob", ("id,name",), None),
    ]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("* The **ferry** leaves.", "The ferry leaves."),
        ("See [the table](t.md#x) *now*.", "See the table now."),
        ("Run ``make`` or `make all`.", "Run make or make all."),
        ("- [x] Paint the boat.", "Paint the boat."),
        ("2 * 3 * 4 is __name__.", "2 * 3 * 4 is __name__."),
        ("```sh\nmake *all*\n```", "make *all*"),
    ],
)
def test_marks_are_left_out_of_prose_and_kept_in_code(text: str, clean: str) -> None:
    assert texts(text) == [clean]


def test_what_is_not_wrapped_is_word_for_word() -> None:
    assert texts("日本の\n首都は　東京\nです。") == ["日本の首都は　東京です。"]
    assert texts("L\u2019eau\xa0: 3  litres.") == ["L\u2019eau\xa0: 3  litres."]


def test_windows_line_ends_make_no_difference() -> None:
    text = "Title\n=====\n\nOne two\nthree. Four:\n\n* five\n* six\n"

    assert passages(text.replace("\n", "\r\n")) == passages(text)


@pytest.mark.parametrize(
    "text",
    [
        "Mr. " * 12_000,
        "a(" * 25_000,
        "." * 50_000,
        "x.)))" * 10_000,
        "\n" * 50_000,
        " " * 50_000,
        "a\n===\n" * 8_000,
        "**a " * 12_000,
        "[a](" * 12_000,
        "a,b\n" * 12_000,
    ],
    ids=["abbreviations", "parentheses", "dots", "brackets", "lines", "spaces", "headings", "bold", "links", "rows"],
)
def test_hostile_text_takes_time_in_proportion_to_its_length(text: str) -> None:
    started = time.process_time()

    passages(text)

    # Linear is some tens of milliseconds here, quadratic is minutes.
    assert time.process_time() - started < 5
