"""The file of conversations survives what programs do to it: several at once, kills, deletions."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from reka.cli.logs.recording import Recorder
from reka.cli.logs.store import Head, KeptTurn, LogStore
from tests.support.peers import ROOT

HEAD = Head("m", None, None)


def turns(*texts: str) -> list[KeptTurn]:
    return [KeptTurn("model" if place % 2 else "human", text) for place, text in enumerate(texts)]


def test_a_text_with_half_a_character_is_kept(tmp_path: Path) -> None:
    store = LogStore(tmp_path / "logs.db")

    note = Recorder(store).keep(HEAD, [{"type": "human", "text": "a \ud800 b"}, {"type": "model", "text": "c"}], None)

    assert note is None
    assert store.summaries(1)[0].text == "a ? b"


def test_one_that_two_programs_go_on_with_becomes_two(tmp_path: Path) -> None:
    store = LogStore(tmp_path / "logs.db")
    first = store.save(None, HEAD, turns("a", "b"))
    assert first is not None

    mine = store.save(first, HEAD, turns("a", "b", "c", "d"))
    theirs = store.save(first, HEAD, turns("a", "b", "x", "y"))

    assert mine is not None
    assert theirs is not None
    assert mine.id == first.id != theirs.id
    assert store.read(mine.id) == mine
    assert store.read(theirs.id) == theirs


def test_an_answer_that_is_asked_for_again_replaces_the_last_one(tmp_path: Path) -> None:
    store = LogStore(tmp_path / "logs.db")
    kept = store.save(None, HEAD, turns("a", "b", "c", "d"))
    kept = store.save(kept, HEAD, turns("a", "b", "c", "other"))
    kept = store.save(kept, Head("n", "d", "s"), turns("a", "b"))

    assert kept is not None
    assert store.read(kept.id) == kept
    assert kept.turns == tuple(turns("a", "b"))


def test_one_that_is_deleted_meanwhile_does_not_come_back(tmp_path: Path) -> None:
    store = LogStore(tmp_path / "logs.db")
    kept = store.save(None, HEAD, turns("a", "b"))
    store.delete(None)

    assert store.save(kept, HEAD, turns("a", "b", "c", "d")) is None
    assert store.summaries(10) == []


KEEPING = """
import sys
from pathlib import Path
from reka.cli.logs.store import Head, KeptTurn, LogStore

store, kept, turns = LogStore(Path(sys.argv[1])), None, []
for number in range(int(sys.argv[2])):
    turns += [KeptTurn("human", f"question {number}" * 100), KeptTurn("model", "answer " * 1000)]
    kept = store.save(kept, Head("m", None, None), turns)
    print(kept.id, flush=True)
"""


def keep_much(path: Path, times: int) -> "subprocess.Popen[str]":
    """Start a program that keeps a conversation that grows."""
    return subprocess.Popen(
        [sys.executable, "-c", KEEPING, str(path), str(times)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def test_programs_that_keep_conversations_at_once_lose_none(tmp_path: Path) -> None:
    programs = [keep_much(tmp_path / "logs.db", 10) for _ in range(3)]
    for program in programs:
        program.communicate()

    assert [program.returncode for program in programs] == [0, 0, 0]
    assert [one.turns for one in LogStore(tmp_path / "logs.db").summaries(9)] == [20, 20, 20]


def test_a_program_that_is_killed_in_mid_write_leaves_whole_conversations(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    for answers in range(1, 6):
        with keep_much(path, 100_000) as program:
            assert program.stdout is not None
            for _ in range(answers):
                assert program.stdout.readline()
            program.kill()

    kept = LogStore(path).summaries(99)
    assert len(kept) == 5
    assert all(one.turns % 2 == 0 and one.turns >= 2 for one in kept)
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_ids_are_not_used_again(tmp_path: Path) -> None:
    store = LogStore(tmp_path / "logs.db")
    store.save(None, HEAD, turns("a", "b"))
    store.delete(None)
    kept = store.save(None, HEAD, turns("c", "d"))

    assert kept is not None
    assert kept.id == 2


def test_the_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    store = LogStore(tmp_path / "logs.db")
    store.save(None, HEAD, turns("a", "b"))
    with sqlite3.connect(store.path) as database:
        database.execute("PRAGMA user_version = 99")

    with pytest.raises(sqlite3.DatabaseError, match="newer version"):
        store.save(None, HEAD, turns("c", "d"))


def test_a_folder_in_the_place_of_the_file_keeps_its_permissions(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    store = LogStore(tmp_path)

    note = Recorder(store).keep(HEAD, [{"type": "human", "text": "a"}, {"type": "model", "text": "b"}], None)
    with pytest.raises(sqlite3.OperationalError):
        store.summaries(1)

    assert "Is a directory" in str(note)
    assert tmp_path.stat().st_mode & 0o777 == 0o755
