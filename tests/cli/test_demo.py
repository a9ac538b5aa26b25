"""`reka demo`, run for real: what a stranger sees first."""

import io
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from pydoc_data import topics

import pytest

import reka
from reka.cli.app import run
from reka.cli.demo.frameworks import ADAPTERS
from reka.cli.demo.texts import write_language_reference
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


@dataclass(frozen=True)
class Run:
    """One run of the demo: what it printed, and what it left in the folder of temporary files."""

    code: int
    out: str
    err: str
    left: Sequence[Path]

    @property
    def words(self) -> str:
        return " ".join(self.out.split())


@pytest.fixture(scope="module")
def run_in_a_pipe(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole demo, in this process, where LlamaIndex is not installed and datasets are kept somewhere else."""
    folder = tmp_path_factory.mktemp("demo")
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(tempfile, "tempdir", str(folder))
        patch.setenv("REKA_DATASETS", f"local:{folder / 'elsewhere'}")
        patch.setitem(sys.modules, "llamaindex_reka", None)
        code = run(["demo"])
    return Run(code, out.getvalue(), err.getvalue(), list(folder.iterdir()))


def test_every_step_of_the_demo_is_shown(run_in_a_pipe: Run) -> None:
    assert (run_in_a_pipe.code, run_in_a_pipe.err) == (0, "")
    for step in (
        "No language model is attached",
        "the Python language reference",
        "COMPLETE",
        "How does the with statement work?",
        "with.txt",
        "Hi, my name is John.",
        "LangChain: When are default parameter values evaluated?",
        "the list is empty again",
        "nothing is left behind",
    ):
        assert step in run_in_a_pipe.words


def test_the_demo_skips_a_framework_that_is_not_installed(run_in_a_pipe: Run) -> None:
    assert "skipped: this project's llamaindex-reka is not installed" in run_in_a_pipe.words
    assert "skipped: this project's langchain-reka" not in run_in_a_pipe.words


def test_the_demo_is_plain_text_in_a_pipe(run_in_a_pipe: Run) -> None:
    assert "\x1b" not in run_in_a_pipe.out


def test_the_demo_leaves_nothing_behind(run_in_a_pipe: Run) -> None:
    assert run_in_a_pipe.left == []
    assert reka.BASE_URL is None


def test_the_demo_as_json_is_one_document_of_every_step(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    few = ("with", "try", "truth", "function", "nonlocal")  # as much of the text as the questions are about
    monkeypatch.setattr(topics, "topics", {name: topics.topics[name] for name in few})

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


def test_the_demo_is_live_on_a_terminal_and_leaves_nothing_behind_if_it_is_interrupted(
    terminal: Callable[..., Terminal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    demo = terminal("demo")
    demo.expect("upload")
    demo.expect("kB")
    demo.expect("Prepare")
    demo.interrupt()

    assert demo.end() == 130
    assert "Traceback" not in demo.shown
    assert list(tmp_path.iterdir()) == []


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
