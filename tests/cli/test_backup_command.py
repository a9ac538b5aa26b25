"""`reka backup`: what is not there is said, and nothing is made."""

from pathlib import Path

import pytest

from tests.support.command_line import Command


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("--data-dir", "{}/typo"), "holds no server's data"),
        (("--database-url", "sqlite:///{}/typo", "--data-dir", "{}/data"), "the database has no server's data"),
        (
            ("--database-url", "sqlite:///{}/typo", "--store-url", "file:///{}/store"),
            "the database has no server's data",
        ),
    ],
    ids=["folder", "database", "database and store"],
)
def test_what_is_not_there_is_not_made(command: Command, tmp_path: Path, names: tuple[str, ...], reason: str) -> None:
    outcome = command("backup", str(tmp_path / "backup"), *(name.format(tmp_path) for name in names))

    assert outcome.code in (1, 2)
    assert reason in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_not_there_is_not_made(command: Command, tmp_path: Path) -> None:
    command("keys", "create", "ann", "--data-dir", str(tmp_path / "data"))

    outcome = command(
        "backup",
        str(tmp_path / "backup"),
        "--data-dir",
        str(tmp_path / "data"),
        "--store-url",
        f"file://{tmp_path}/typo",
    )

    assert outcome.code == 1
    assert f"there is no folder {tmp_path}/typo" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
