"""The plugin of pytest: what its fixtures give, and what it costs those who do not use them."""

import asyncio
import subprocess
import sys
import threading
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import reka
from _reka_pytest import reka_client, reka_server
from reka.adapters.documents import timers
from reka.testing import FakeReka, hide_settings

__all__ = ["reka_client", "reka_server"]


def test_the_client_asks_the_server(reka_server: FakeReka, reka_client: reka.Reka) -> None:
    reka_server.will_say("It rains.")

    assert reka_client.chat("Hi")["text"] == "It rains."


def test_clients_without_an_address_ask_the_server(reka_server: FakeReka) -> None:
    async def ask() -> str:
        async with reka.AsyncReka() as client:
            return str((await client.chat("Hi"))["text"])

    reka_server.will_say("one")
    reka_server.will_say("two")
    reka_server.will_say("three")

    assert reka.chat("Hi")["text"] == "one"
    with reka.Reka() as client:
        assert client.chat("Hi")["text"] == "two"
    assert asyncio.run(ask()) == "three"


@pytest.fixture
def settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKA_API_KEY", "key-of-the-user")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setattr(reka, "BASE_URL", "https://host.example")


def test_the_key_and_the_proxy_of_the_user_are_not_used(settings_of_the_user: None, reka_server: FakeReka) -> None:
    reka_server.will_say("Hello")

    assert reka.chat("Hi")["text"] == "Hello"
    assert "key-of-the-user" not in str(reka_server.requests)


def test_work_for_a_server_that_has_ended_is_given_up_also_if_the_block_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = set(threading.enumerate())

    def fail() -> None:
        with hide_settings(monkeypatch, tmp_path):
            timers.start(tmp_path, 60, lambda: None)
            raise LookupError

    with pytest.raises(LookupError):
        fail()

    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()


def test_the_list_of_models_takes_no_scripted_answer(reka_server: FakeReka, reka_client: reka.Reka) -> None:
    reka_server.will_say("Hello")

    with pytest.raises(reka.NotFoundError, match=r"no list of models is scripted: set reka_server\.listing"):
        reka_client.get_models()
    assert reka_client.chat("Hi")["text"] == "Hello"


def test_pytest_finds_the_plugin() -> None:
    assert [entry.value for entry in entry_points(group="pytest11", name="reka")] == ["_reka_pytest"]


def test_the_plugin_loads_nothing_until_a_fixture_is_asked_for() -> None:
    code = "import sys, pytest; before = set(sys.modules); import _reka_pytest; print(*set(sys.modules) - before)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["_reka_pytest"]
