"""Pictures of the documentation."""

import pytest

from release.pictures import IMAGES, last_state

MOST_BYTES = 150_000


@pytest.mark.parametrize(
    ("output", "lines"),
    [
        ("a\nb\n", ["a", "b", ""]),
        ("10 %\r\x1b[2K100 %\ndone", ["100 %", "done"]),
        ("one\ntwo\n\x1b[1A\x1b[2Kthree\n", ["one", "three", ""]),
        ("\x1b[?25l\x1b[32mgreen\x1b[0m\x1b[?25h", ["\x1b[32mgreen\x1b[0m"]),
    ],
)
def test_what_is_drawn_over_is_not_in_the_picture(output: str, lines: list[str]) -> None:
    assert last_state(output) == lines


def test_no_picture_is_large() -> None:
    assert {path.name: path.stat().st_size for path in IMAGES.iterdir() if path.stat().st_size > MOST_BYTES} == {}
