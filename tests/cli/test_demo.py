"""`reka demo`, run for real: what a stranger sees first."""

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import reka
from reka.cli.demo_texts import write_language_reference
from reka.cli.frameworks import ADAPTERS
from tests.support.command_line import Command, Terminal


def test_the_collection_is_the_language_reference_one_text_a_topic(tmp_path: Path) -> None:
    made = write_language_reference(tmp_path / "python.zip")

    with zipfile.ZipFile(made.path) as archive:
        names = archive.namelist()
        texts = [archive.read(name).decode() for name in names]
    assert len(names) == len(set(names)) == made.texts > 70
    assert "with.txt" in names
    assert sum(len(text.encode()) for text in texts) == made.text_bytes > 400_000
    assert made.zip_bytes == made.path.stat().st_size


def test_the_demo_as_json_is_one_document_of_every_step(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    outcome = command("demo", "--json")

    assert (outcome.code, outcome.err) == (0, "")
    document = outcome.json
    assert document["retrieval"]["job_status"] == "COMPLETE"
    assert len(document["answers"]) == 3
    for step in [*document["answers"], *(document[framework] for framework in ADAPTERS)]:
        assert step["text"].strip()
        scores = [chunk["score"] for chunk in step["retrieved_chunks"]]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)
    assert "with.txt" in [chunk["source"] for chunk in document["answers"][0]["retrieved_chunks"]]
    assert [turn["type"] for turn in document["conversation"]] == ["human", "model", "human", "model"]
    assert "John" in document["conversation"][-1]["text"]
    assert document["deleted"]["ok"] is True
    assert list(tmp_path.iterdir()) == []
    assert reka.BASE_URL is None


def test_the_demo_is_live_on_a_terminal_and_fits_it(
    terminal: Callable[..., Terminal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    demo = terminal("demo")

    assert demo.end() == 0
    assert "upload" in demo.shown
    assert "100%" in demo.shown
    assert "COMPLETE" in demo.shown
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_is_interrupted_leaves_nothing_behind(
    terminal: Callable[..., Terminal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    demo = terminal("demo")
    demo.expect("Prepare")
    demo.interrupt()

    assert demo.end() == 130
    assert "Traceback" not in demo.shown
    assert list(tmp_path.iterdir()) == []


def test_the_demo_is_plain_text_in_a_pipe_and_skips_frameworks_that_are_not_installed(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules.update(dict.fromkeys(['langchain_reka', 'llama_index']));"
        "from reka.cli import main; main()"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, "demo"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
    assert "\x1b" not in done.stdout
    shown = " ".join(done.stdout.split())
    for expected in (
        "No language model is attached",
        "How does the with statement work?",
        "with.txt",
        "Hi, my name is John.",
        "skipped: pip install langchain-reka",
        "skipped: pip install llamaindex-reka",
        "nothing is left behind",
    ):
        assert expected in shown


def test_a_step_that_fails_fails_the_demo_and_leaves_nothing_behind(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("REKA_SERVER_MAX_UPLOAD_BYTES", "1000")

    outcome = command("demo")

    assert outcome.code == 5
    assert outcome.err.startswith("error: 413")
    assert "nothing is left behind" not in outcome.out
    assert list(tmp_path.iterdir()) == []


def test_the_demo_does_not_run_on_another_server(command: Command) -> None:
    outcome = command("demo", "--base-url", "http://127.0.0.1:1")

    assert outcome.code == 2
    assert "embedded server" in outcome.err
