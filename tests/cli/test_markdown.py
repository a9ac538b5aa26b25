"""Answers on a terminal are shown as Markdown, and nothing in them is hidden or obeyed."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from reka.cli import show

_PIECES = [
    "a",
    " ",
    "\n",
    "\n\n",
    "*",
    "**",
    "_",
    "`",
    "```",
    "[",
    "](",
    ")",
    "!",
    "|",
    "|-|-|\n",
    "> ",
    "- ",
    "# ",
    "~~",
]


def _shown(text: str, width: int = 60) -> str:
    out = io.StringIO()
    show.answer(Console(file=out, width=width, force_terminal=True, no_color=True), text)
    return out.getvalue()


def _plain(text: str, width: int = 60) -> list[str]:
    lines = [line.rstrip() for line in show.clean(_shown(text, width)).split("\n")]
    return "\n".join(lines).strip("\n").split("\n")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\ntwo", ["one", "two"]),
        ("some **bold** and `code`", ["some bold and code"]),
        ("> quoted\n— notes.txt", ["▌ quoted", "▌ — notes.txt"]),
        ("List<int> and <b>not bold</b>", ["List<int> and <b>not bold</b>"]),
        ("[here](https://example.com/x)", ["here (https://example.com/x)"]),
        ("see **[a *b*](https://example.com/x)**", ["see a b (https://example.com/x)"]),
        ("![map](https://example.com/m.png)", ["!map (https://example.com/m.png)"]),
        ("a :smile: [red]b[/red]", ["a :smile: [red]b[/red]"]),
    ],
)
def test_an_answer_is_laid_out_and_hides_nothing(text: str, lines: list[str]) -> None:
    assert _plain(text) == lines


@pytest.mark.parametrize("reference", ["&#x202e;", "&lrm;", "&#27;[2J", "&#x9b;2J", "&#13;", "\x1b[2J"])
def test_a_control_character_does_not_come_back_as_a_reference(reference: str) -> None:
    for text in (f"a{reference}b", f"`a`{reference}", f"[x{reference}](https://example.com)", f"# t{reference}"):
        shown = _shown(text)

        assert not set("\u202e\u200e\x9b\r") & set(shown)
        assert "\x1b[2J" not in shown


@given(st.lists(st.sampled_from(_PIECES), max_size=30).map("".join))
def test_any_text_can_be_shown(text: str) -> None:
    assert _shown(text, width=20) is not None


def test_code_stays_as_it_is_written() -> None:
    assert [line.strip() for line in _plain("```python\nif a:\n    return '*b*'\n```") if line.strip()] == [
        "if a:",
        "return '*b*'",
    ]


def test_an_answer_fits_a_narrow_terminal() -> None:
    text = (
        "# A title\n\n" + "word " * 40 + "\n\n- " + "item " * 20 + "\n\n| a | b |\n|---|---|\n| c | " + "d " * 30 + "|"
    )

    assert max(map(len, _plain(text, width=40))) <= 40


def test_an_answer_in_a_pipe_is_left_as_it_is() -> None:
    out = io.StringIO()

    show.answer(Console(file=out, width=20), "some **bold** text that is longer than the line\n\n- a")

    assert out.getvalue() == "some **bold** text that is longer than the line\n\n- a\n"


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_heading_is_at_the_left_where_a_narrower_terminal_leaves_it(level: int) -> None:
    assert re.sub(r"\x1b\[[0-9;]*m", "", _shown(f"{'#' * level} Owls\n\nThey hunt.")).split() == [
        "Owls",
        "They",
        "hunt.",
    ]
    assert re.sub(r"\x1b\[[0-9;]*m", "", _shown(f"{'#' * level} Owls")).startswith("Owls")
