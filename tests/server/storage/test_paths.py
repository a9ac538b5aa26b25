"""Data folders whose names mean something else in a URL, to a shell or to a library."""

from pathlib import Path

import pytest

from reka.server.errors import StartError
from reka.server.storage.migrations import add_queue_columns, in_file
from tests.support.servers import Call, Start

NAMES = ["a?1", "a%20b", "a%", "%2F", "a#1", "a b", "a:b", "file:a", "~a", "a&b=c", "a?mode=memory&uri=true", "é[*]"]


def is_complete(folder: Path) -> bool:
    (table,) = (folder / "index").iterdir()
    return (folder / "reka.sqlite").stat().st_size > 0 and (table / "data").is_dir()


@pytest.mark.parametrize("name", NAMES)
def test_all_data_are_in_their_folder_whatever_its_name_is(
    start: Start, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path / name, Path(f"{name} relative")):
        server = start(data_dir=folder)
        call(server).add_prepared("notes", "An owl hunts.")
        server.stop()

        assert [chunk["text"] for chunk in call(start(data_dir=folder)).chunks("owl", "notes")] == ["An owl hunts."]
        assert is_complete(folder)
    assert {path.name for path in tmp_path.iterdir()} == {name, f"{name} relative"}


def test_a_folder_whose_name_no_table_can_have_is_refused(start: Start, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"data_dir: got '.*a\\nb', which has a control character"):
        start(data_dir=tmp_path / "a\nb")

    assert list(tmp_path.iterdir()) == []


def test_a_migration_finds_the_database_whatever_the_name_of_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a?1%20"
    folder.mkdir()
    (folder / "reka.sqlite").touch()

    in_file(add_queue_columns)(folder)

    assert [path.name for path in tmp_path.rglob("*")] == ["a?1%20", "reka.sqlite"]
