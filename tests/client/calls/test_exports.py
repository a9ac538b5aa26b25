"""Exports of datasets: how the file is written, and when it is left as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reka
from reka._calls.documents.new_file import new_file
from reka.testing import FakeReka, reset

ZIP = b"PK\x05\x06" + b"\0" * 100_000


@pytest.fixture
def fake(fake: FakeReka, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeReka:
    """A scripted server with documents; the test runs in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    fake.will_answer(200, {"name": "reka", "features": ["documents"]})
    return fake


def test_an_export_is_written_as_it_comes_and_replaces_the_file(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, ZIP, {"Content-Type": "application/zip"})
    Path("alice.zip").write_text("before")

    path = client.export_dataset("alice", "alice.zip")

    assert path == Path("alice.zip")
    assert path.read_bytes() == ZIP
    assert fake.paths == ["GET /", "GET /datasets/alice/export"]
    assert list(Path().iterdir()) == [path]


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (lambda fake: fake.will_answer(404, {"detail": "no dataset"}), reka.DatasetError),
        (lambda fake: fake.will_answer(200, {"detail": "later"}), reka.UnexpectedResponseError),
        (lambda fake: fake.will_give(_half_a_zip), reka.StreamInterruptedError),
    ],
)
def test_an_export_that_fails_leaves_the_file_as_it_was(
    client: reka.Reka, fake: FakeReka, script: Callable[[FakeReka], None], error: type[reka.RekaError]
) -> None:
    script(fake)
    fake.will_answer(200, ["bob"])
    Path("alice.zip").write_text("before")

    with pytest.raises(error):
        client.export_dataset("alice", "alice.zip")

    assert Path("alice.zip").read_text() == "before"
    assert list(Path().iterdir()) == [Path("alice.zip")]


def test_two_exports_to_one_path_at_once_are_both_whole_and_the_last_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "alice.zip"

    with new_file(path) as (first, _):
        first.write(ZIP)
        with new_file(path) as (second, _):
            second.write(b"second")
        assert path.read_bytes() == b"second"

    assert path.read_bytes() == ZIP
    assert list(tmp_path.iterdir()) == [path]


def _half_a_zip(handler: Any) -> None:
    handler.begin("application/zip")
    handler.chunk(ZIP[:70_000])
    reset(handler)


@pytest.mark.parametrize(
    ("path", "message"),
    [(".", "is a folder"), ("missing/alice.zip", "cannot be written"), ("", "want the path of a file"), (7, "got 7")],
)
def test_an_export_to_no_file_is_refused_before_anything_is_sent(
    client: reka.Reka, fake: FakeReka, path: Any, message: str
) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=f"path: .*{message}"):
        client.export_dataset("alice", path)

    assert fake.requests == []
