"""`reka serve`, as a process; and the commands against a server, with nothing scripted."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

import reka
from reka.server.settings import Settings
from tests.support.command_line import Command, enable_sigint
from tests.support.rule_model import RuleModel
from tests.support.servers import run_server


@contextmanager
def _serving(data_dir: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its address."""
    arguments = ["serve", "--port", "0", "--data-dir", str(data_dir), *options]
    with subprocess.Popen(
        [sys.executable, "-m", "reka.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=enable_sigint,
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

    with run_server(tmp_path / "data") as server:
        monkeypatch.setenv("REKA_BASE_URL", server.url)
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
    with run_server(tmp_path) as server:
        monkeypatch.setenv("REKA_BASE_URL", server.url)
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
    with run_server(tmp_path):
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
    assert outcome.err == "error: REKA_SERVER_CHUNK_CHARS: want a whole number\n"
    assert list(tmp_path.iterdir()) == []


UPSTREAM_OPTIONS = [name for name in Settings.model_fields if name.startswith("upstream")]


def test_the_help_tells_every_option_of_the_upstream_and_its_default(command: Command) -> None:
    told = " ".join(command("serve", "--help").out.replace("│", " ").split())  # whole even on 80 columns

    for name in UPSTREAM_OPTIONS:
        assert f"--{name.replace('_', '-')} " in told
    for name in ("retries", "concurrency", "queue", "queue_wait", "connect", "silence"):
        default = Settings.model_fields[f"upstream_{name}"].default
        assert re.search(rf"--upstream-{name.replace('_', '-')} [^-]*Default: {default}\.", told), name
    assert "REKA_SERVER_DATA_DIR" in told


def test_an_option_chooses_what_embeds_new_datasets(tmp_path: Path) -> None:
    with _serving(tmp_path, "--embedder", "none") as (_, url), reka.Reka("any-key", url) as client:
        job = client.put_documents("owls", [{"id": "a", "text": "Owls hunt at night."}]).get("job_id")
        client.wait_for_retrieval(job or "")

        assert client.describe_dataset("owls").get("embedder") == "none"


@pytest.mark.parametrize("way", ["options", "environment"])
def test_a_model_is_put_behind_the_server_by_options_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    with RuleModel(key="upstream-key") as model:
        given = {
            "upstream": model.url,
            "upstream_model": "rules-2",
            "upstream_key_env": "THE_KEY",
            "upstream_api": "reka",
            "upstream_retries": "0",
            "upstream_concurrency": "3",
            "upstream_queue": "2",
            "upstream_queue_wait": "1.5",
            "upstream_connect": "2.5",
            "upstream_silence": "20",
        }
        assert list(given) == UPSTREAM_OPTIONS
        monkeypatch.setenv("THE_KEY", "upstream-key")
        options = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", value)]
        if way == "environment":
            options = []
            for name, value in given.items():
                monkeypatch.setenv(f"REKA_SERVER_{name.upper()}", value)
        with _serving(tmp_path, *options) as (_, url), reka.Reka("any-key", url) as client:
            answer = client.complete(
                [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Repeat: hello"}]
            )

    assert answer.text == "hello"
    (body,) = model.requests
    assert body["model"] == "rules-2"
    assert [message["role"] for message in body["messages"]] == ["user"]  # the form of Reka's own host


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("upstream-retries", "-1"),
        ("upstream-concurrency", "0"),
        ("upstream-queue", "-1"),
        ("upstream-queue-wait", "0"),
        ("upstream-connect", "0"),
        ("upstream-silence", "-3"),
        ("upstream-api", "klingon"),
    ],
)
def test_a_wrong_option_of_the_upstream_is_named(command: Command, tmp_path: Path, option: str, value: str) -> None:
    outcome = command("serve", "--data-dir", str(tmp_path), f"--{option}", value)

    assert outcome.code == 2
    assert outcome.err.startswith(f"error: --{option}: want ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--upstream", "localhost"], "http://127.0.0.1:11434/v1"),
        (
            ["--upstream-model", "m"],
            "--upstream-model and --upstream-key-env need an upstream: set --upstream to its address",
        ),
        (["--upstream", "http://127.0.0.1:9", "--upstream-key-env", "NOT_THERE"], "NOT_THERE"),
    ],
)
def test_an_upstream_that_cannot_be_is_refused_with_the_way_out(
    command: Command, tmp_path: Path, options: list[str], said: str
) -> None:
    outcome = command("serve", "--port", "0", "--data-dir", str(tmp_path), *options)

    assert outcome.code == 1
    assert said in outcome.err
    assert "Traceback" not in outcome.err


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
    assert "install this package with the extra `" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_line_for_each_request_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    with _serving(tmp_path / "data", "--access-log", "-") as (process, url):
        requests.get(f"{url}/healthz", headers={"x-request-id": "r-1"})
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())

    assert (line["request_id"], line["route"], line["status"]) == ("r-1", "/healthz", 200)
