"""Text from elsewhere on a terminal: harmless, and laid out for its width."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from reka import RetrievedChunk
from reka.cli import show

DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
LONG = "The quick brown fox jumps over the lazy dog and runs away. " * 20


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;aGk=\x9cx", "x"),
        ("\x9b2Jx", "x"),
        ("\x1bPq#0\x1b\\x", "x"),
        ("\x1bcx", "x"),
        ("\x1b(0x", "x"),
        ("\x1b]0;never ended", "0;never ended"),
        ("\u202egnp.exe\u2066\u200f\u061c", "gnp.exe"),
        ("\x9d\x9d0;title\x9cx", "x"),
        ("one\rtwo\r\nthree", "onetwo\nthree"),
        ("a\x08b\x00c\x7f", "abc"),
        ("Zoë 日本語 🙂", "Zoë 日本語 🙂"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(text: str, cleaned: str) -> None:
    assert show.clean(text) == cleaned


@given(st.text(st.sampled_from("\x1b\x9b\x9d[]0;m?\x07\\P\n\tab\x9c\x85"), max_size=40))
def test_no_control_character_survives_cleaning(text: str) -> None:
    left = show.clean(text)

    assert not [character for character in left if character not in "\n\t" and not character.isprintable()]
    assert show.clean(left) == left


@pytest.mark.parametrize("piece", ["\x9d", "\x90a", "\x1b]", "\x1b[", "\x9b0", "\x1b ", "\x1b]0;\x1b"])
def test_a_long_text_of_controls_is_cleaned_at_once(piece: str) -> None:
    left = show.clean(piece * 1_000_000)  # would take days in quadratic time

    assert set(left) <= set("a0;")


@given(st.text(max_size=60))
def test_a_text_without_control_characters_is_left_as_it_is(text: str) -> None:
    harmless = "".join(
        character
        for character in text
        if (ord(character) >= 160 and character not in DIRECTIONS) or 32 <= ord(character) < 127
    )

    assert show.clean(harmless) == harmless


@given(st.text(st.characters(exclude_characters="=*~^#_+|-")), st.integers(min_value=5, max_value=50))
def test_an_excerpt_is_a_beginning_of_its_text_and_never_too_long(text: str, longest: int) -> None:
    shown = show.excerpt(text, longest)

    assert len(shown) <= longest
    assert show.one_line(text).startswith(shown.removesuffix("…"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short", "short"),
        ("one two three four", "one two…"),
        ("unbreakablebeyondmeasure", "unbreakab…"),
        ("Title\n=====\nText", "Title Text"),
        ("+--+--+\nText", "Text"),
        ("a -- b == c", "a -- b ==…"),
    ],
)
def test_an_excerpt_is_cut_between_words_where_it_can_be(text: str, shown: str) -> None:
    assert show.excerpt(text, 10) == shown


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_table_of_chunks_fits_its_width(width: int) -> None:
    found: list[RetrievedChunk] = [
        {"text": LONG, "source": "a/very/long/path/that/goes/on/and/on/and/on.txt", "score": 1.0},
        {"text": "日本語" * 100, "source": "日本語.txt", "score": 0.25},
        {"text": "x" * 500},
    ]

    lines = _drawn(found, width)

    assert max(map(_cells, lines)) <= width
    assert lines[0].split() == ["score", "source", "text"]
    assert any("1.000" in line for line in lines)
    assert len(lines) <= 2 + 3 * 6


def test_a_chunk_needs_no_score_and_no_source_and_may_have_strange_ones() -> None:
    strange: RetrievedChunk = {"text": "two", "source": 7, "score": "high"}  # type: ignore[typeddict-item]  # wrong on purpose

    lines = _drawn([{"text": "one"}, strange], 80)

    assert lines[2].split() == ["one"]
    assert lines[3].split() == ["7", "two"]


def test_no_chunks_are_said_to_be_none() -> None:
    out = io.StringIO()

    show.chunks(Console(file=out), [])

    assert out.getvalue().rstrip() == "no chunks were retrieved"


def test_a_quotation_that_wraps_stays_behind_its_mark() -> None:
    out = io.StringIO()

    show.answer(Console(file=out, width=20), "Quoted:\n\n> one two three four five six\n- notes.txt\n", indent=2)

    assert [line.rstrip() for line in out.getvalue().splitlines()] == [
        "  Quoted:",
        "",
        "  > one two three",
        "    four five six",
        "  - notes.txt",
    ]


def _drawn(found: list[RetrievedChunk], width: int) -> list[str]:
    out = io.StringIO()
    show.chunks(Console(file=out, width=width), found)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def _cells(line: str) -> int:
    from rich.cells import cell_len

    return cell_len(line)
