"""Paths that programs give: `~` is a user's home folder, if there is one."""

from collections.abc import Callable
from pathlib import Path

import pytest

import reka
from reka._protocol.checks import expanded


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: reka.add_dataset("~no-such-user/x", "notes"), "filepath"),
        (lambda: reka.add_folder("~no-such-user/x", "notes"), "folder"),
        (lambda: reka.export_dataset("notes", "~no-such-user/x"), "path"),
    ],
)
def test_a_home_folder_that_there_is_not_is_a_wrong_argument(call: Callable[[], object], argument: str) -> None:
    with pytest.raises(
        reka.InvalidArgumentError, match=rf"^{argument}: got '~no-such-user/x', which has no known home"
    ):
        call()


def test_a_home_folder_stands_for_the_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert expanded("~/x", "path") == tmp_path / "x"
