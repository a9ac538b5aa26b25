"""`reka serve`, as a process; and the commands against it, with nothing scripted."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import reka
from tests.cli.conftest import Command, heed_ctrl_c


@contextmanager
def _serving(data_dir: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its address."""
    arguments = ["serve", "--port", "0", "--data-dir", str(data_dir), *options]
    with subprocess.Popen(
        [sys.executable, "-m", "reka.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_ctrl_c,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[-1]
        finally:
            if process.poll() is None:
                process.kill()


def test_a_text_goes_the_whole_way_through_the_command_line(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REKA_API_KEY", "any-key")
    text = tmp_path / "owls.txt"
    text.write_text("Owls hunt at night.\n\nSparrows eat seeds by day.\n", encoding="utf-8")

    with _serving(tmp_path / "data") as (_, url):
        monkeypatch.setenv("REKA_BASE_URL", url)
        added = command("datasets", "add", str(text), "--prepare")
        listed = command("datasets", "list")
        answered = command("chat", "When do owls hunt?", "--dataset", "owls")
        again = command("retrieval", "prepare", "owls")
        unknown = command("chat", "When?", "--dataset", "eagles")
        deleted = command("datasets", "delete", "owls")
        gone = command("datasets", "delete", "owls")

    assert (added.code, added.out) == (0, "owls\n")
    assert "COMPLETE" in added.err
    assert listed.out == "owls\n"
    assert "Owls hunt at night." in answered.out
    assert "owls.txt" in answered.out
    assert (again.code, unknown.code, deleted.code, gone.code) == (5, 5, 0, 5)
    assert "already been prepared" in again.err
    assert "eagles" in unknown.err
    assert "owls" in gone.err


def test_ctrl_c_is_how_a_server_ends(tmp_path: Path) -> None:
    with _serving(tmp_path) as (process, url):
        # Its address stands there before its first note; it has said all once it answers.
        with reka.Reka("any-key", url) as client:
            client.get_models()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)

    assert process.returncode == 0
    assert url.startswith("http://127.0.0.1:")
    assert out == ""
    assert "no language model" in err.lower()
    assert "Traceback" not in err
    assert not [line for line in err.splitlines() if line.startswith("error:")]


def test_a_key_made_while_the_server_runs_is_the_one_it_wants(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _serving(tmp_path) as (_, url):
        monkeypatch.setenv("REKA_BASE_URL", url)
        key = command("keys", "create", "ann", "--data-dir", str(tmp_path)).out.strip()
        monkeypatch.setenv("REKA_API_KEY", key)
        known = command("datasets", "list")
        monkeypatch.setenv("REKA_API_KEY", "another")
        unknown = command("datasets", "list")

    assert (known.code, unknown.code) == (0, 3)


def test_other_machines_are_not_served_without_keys(command: Command, tmp_path: Path) -> None:
    outcome = command("serve", "--host", "0.0.0.0", "--port", "0", "--data-dir", str(tmp_path))

    assert outcome.code == 1
    assert "reka keys create" in outcome.err


def test_a_second_server_on_the_same_data_is_refused_in_one_line(command: Command, tmp_path: Path) -> None:
    with _serving(tmp_path):
        outcome = command("serve", "--port", "0", "--data-dir", str(tmp_path))

    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert "another server" in outcome.err


def test_a_wrong_setting_in_the_environment_is_named(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REKA_SERVER_CHUNK_CHARS", "many")

    outcome = command("serve", "--data-dir", str(tmp_path))

    assert outcome.code == 2
    assert "chunk_chars" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_server_has_no_json_to_write(command: Command) -> None:
    outcome = command("serve", "--json")

    assert outcome.code == 2
    assert "--json" in outcome.error["message"]


@pytest.mark.parametrize("arguments", [["serve"], ["keys", "list"], ["demo"]], ids=" ".join)
def test_without_the_servers_packages_the_extra_is_named(arguments: list[str], tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules.update(dict.fromkeys(['pydantic_settings', 'filelock', 'fastapi']));"
        "from reka.cli import main; main()"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
    )

    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "pip install 'reka[" in done.stderr
    assert list(tmp_path.iterdir()) == []
