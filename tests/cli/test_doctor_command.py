"""`reka doctor` says what is there, what is wrong, and what to do."""

import json

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
    assert "data folder: unknown" in outcome.out
    assert "port: want a whole number" in outcome.out
    assert "1 models" in outcome.out
