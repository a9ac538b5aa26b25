"""What an embedded server quotes from texts of several kinds and languages; `python -m bench.answers` shows it all."""

import pytest

from bench.answers import WANTED_HITS, ask, is_hit, questions, quotations, texts


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    asked = [item.question for item in questions()]
    return dict(zip(asked, ask(asked, texts()), strict=True))


def test_most_questions_get_the_right_sentence_first(answers: dict[str, str]) -> None:
    missed = [item.question for item in questions() if not is_hit(item, answers[item.question])]

    assert len(answers) == 40
    assert len(answers) - len(missed) >= WANTED_HITS, missed


def test_no_question_is_quoted(answers: dict[str, str]) -> None:
    assert [question for question, answer in answers.items() if question in quotations(answer)] == []


def test_rows_are_quoted_word_for_word_under_the_names_of_their_columns(answers: dict[str, str]) -> None:
    columns, *rows = texts()["stores.csv"].splitlines()
    (row,) = [row for row in rows if row.startswith("Ghent,")]

    assert f"{columns}\n> {row}\n— stores.csv" in answers["Who is the manager of the store in Ghent?"]


def test_japanese_is_quoted_word_for_word(answers: dict[str, str]) -> None:
    lines = [line for answer in answers.values() for line in quotations(answer) if "ます" in line]

    assert lines
    assert [line for line in lines if line not in texts()["onsen.txt"]] == []
