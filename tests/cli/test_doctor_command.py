"""`reka doctor` says what is there, what is wrong, and what to do."""

import json
from pathlib import Path

import pytest

from reka.testing import FakeReka
from tests.support.clients import KEY
from tests.support.command_line import Command


def test_doctor_shows_versions_key_host_and_data_folder_but_never_the_key(command: Command, server: FakeReka) -> None:
    server.will_answer(200, ["reka-flash", "reka-core"])

    outcome = command("doctor")

    assert outcome.code == 0
    for words in ("Python 3.", "reka-api: not installed", "set in REKA_API_KEY", server.url, "2 models", "data folder"):
        assert words in outcome.out
    assert KEY not in outcome.out + outcome.err


def test_doctor_says_what_to_do_about_a_missing_key(
    command: Command, server: FakeReka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REKA_API_KEY")

    outcome = command("doctor", "--json")

    wrong = [finding for finding in json.loads(outcome.out) if finding["fix"]]
    assert outcome.code == 1
    assert [finding["subject"] for finding in wrong] == ["key"]
    assert "export REKA_API_KEY" in wrong[0]["fix"]
    assert server.requests == []


def test_doctor_says_what_the_server_says(command: Command, server: FakeReka) -> None:
    server.will_answer(401, {"detail": "no such key"})

    outcome = command("doctor")

    assert outcome.code == 1
    assert "no such key" in outcome.out
    assert "check the key" in outcome.out


def test_doctor_says_which_setting_of_the_server_is_wrong_and_goes_on(
    command: Command, server: FakeReka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REKA_SERVER_PORT", "http")
    server.will_answer(200, ["reka-flash"])

    outcome = command("doctor")

    assert outcome.code == 1
    assert "data folder of reka serve: unknown" in outcome.out
    assert "REKA_SERVER_PORT: want a whole number" in outcome.out
    assert "1 models" in outcome.out


def test_doctor_shows_the_folder_of_the_server_that_is_in_use(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "reka.toml").write_text(f'[server]\ndata-dir = "{(tmp_path / "mine").as_posix()}"\n')
    monkeypatch.setenv("REKA_CONFIG", str(tmp_path / "reka.toml"))

    named = command("doctor", "--base-url", f"local:{tmp_path / 'own'}")
    usual = command("doctor", "--datasets", "local", "--base-url", "http://127.0.0.1:9")

    assert f"✓ data folder: {tmp_path / 'own'}\n" in named.out
    assert f"✓ data folder of reka serve: {tmp_path / 'mine'}\n" in named.out
    assert f"✓ data folder: {tmp_path / 'reka' / 'local'}\n" in usual.out


@pytest.mark.parametrize("content", ["thesis.odt", None], ids=["of another kind", "no folder"])
def test_doctor_says_which_folder_a_server_would_refuse(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    folder = tmp_path / "full"
    if content is None:
        folder.write_text("")
    else:
        folder.mkdir()
        (folder / content).write_text("")
    monkeypatch.setenv("REKA_SERVER_DATA_DIR", str(folder))

    outcome = command("doctor", "--base-url", f"local:{folder}")

    assert outcome.code == 1
    assert f"✗ data folder: {folder}; " in outcome.out
    assert f"✗ data folder of reka serve: {folder}; REKA_SERVER_DATA_DIR: " in outcome.out
    assert "✗ answer: --base-url: the local server cannot" in outcome.out
    assert "data_dir" not in outcome.out
    assert "network" not in outcome.out


@pytest.mark.parametrize(
    ("options", "variables", "said"),
    [
        (["--base-url", "foo"], {}, "✗ server: foo; --base-url: got 'foo', want an address"),
        ([], {"REKA_BASE_URL": "foo"}, "✗ server: foo; REKA_BASE_URL: got 'foo', want an address"),
        (["--local"], {"REKA_DATASETS": "foo"}, "✗ datasets: foo; REKA_DATASETS: got 'foo', want 'auto'"),
        (["--local", "--datasets", "foo"], {}, "✗ datasets: foo; --datasets: got 'foo', want 'auto'"),
        (["--local"], {"REKA_FORM": "foo"}, "✗ form: foo; REKA_FORM: got 'foo', want one of"),
    ],
)
def test_doctor_says_where_a_wrong_value_is_from(
    command: Command, monkeypatch: pytest.MonkeyPatch, options: list[str], variables: dict[str, str], said: str
) -> None:
    monkeypatch.setenv("REKA_API_KEY", KEY)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    outcome = command("doctor", *options)

    assert outcome.code == 1
    assert said in outcome.out
    assert outcome.err == f"error: 1 of {len(outcome.out.splitlines())} checks failed\n"


def test_doctor_gives_one_fix_for_a_server_that_is_not_there(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKA_API_KEY", KEY)

    assert command("doctor", "--base-url", "http://127.0.0.1:9").out.splitlines()[-1] == (
        "✗ answer: GET http://127.0.0.1:9/models: nothing listens there, or it cannot be reached; check --base-url"
    )


def test_doctor_looks_at_every_extra(command: Command) -> None:
    shown = command("doctor", "--local").out

    for extra in ("server", "cli", "mcp", "postgres", "store", "ray", "otel"):
        assert f"✓ extra {extra}: " in shown
