"""An object may hold clients without being bound to sockets, locks or one event loop."""

import asyncio
import copy
import gc
import multiprocessing
import pickle
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from os import PathLike
from typing import Any

import pytest
import requests

import reka
from reka.adapters import ClientSettings, SharedClients, background_loop
from reka.testing import FakeReka, answer
from tests.support.clients import KEY


@pytest.fixture
def settings(fake: FakeReka) -> ClientSettings:
    fake.otherwise = answer(200, {"type": "model", "text": "ok"})
    return ClientSettings(KEY, fake.url, timeout=5, max_retries=0)


def test_a_client_is_opened_once_for_each_set_of_settings(settings: ClientSettings) -> None:
    clients = SharedClients()

    with ThreadPoolExecutor(8) as threads:
        opened = set(threads.map(lambda _: id(clients.sync(settings)), range(32)))

    assert opened == {id(clients.sync(settings))}
    assert clients.sync(ClientSettings("another", settings.base_url)) is not clients.sync(settings)
    assert clients.aio(settings) is clients.aio(settings)
    clients.close()


class _SlowPath(PathLike[str]):
    """A path that is looked up until the test lets it go, once that is asked for."""

    def __init__(self) -> None:
        self.is_slow, self.has_begun, self.may_end = False, threading.Event(), threading.Event()

    def __fspath__(self) -> str:
        if self.is_slow:
            self.has_begun.set()
            self.may_end.wait(30)
        return "ca.pem"


def _open(clients: SharedClients, settings: ClientSettings) -> None:
    clients.sync(settings)


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_opens_clients_while_another_thread_of_its_parent_does(settings: ClientSettings) -> None:
    clients, path = SharedClients(), _SlowPath()
    slow = replace(settings, ca_bundle=path)
    path.is_slow = True
    thread = threading.Thread(target=clients.sync, args=(slow,))
    thread.start()
    path.has_begun.wait(30)

    child = multiprocessing.get_context("fork").Process(target=_open, args=(clients, settings))
    child.start()
    child.join(5)
    exitcode = child.exitcode
    child.kill()
    child.join()
    path.may_end.set()
    thread.join()

    assert exitcode == 0


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda clients: pickle.loads(pickle.dumps(clients))])
def test_a_copy_opens_clients_of_its_own(
    settings: ClientSettings, copied: Callable[[SharedClients], SharedClients]
) -> None:
    clients = SharedClients()
    client = clients.sync(settings)

    other = copied(clients)

    assert other == clients
    assert hash(other) == hash(clients)
    assert other.sync(settings) is not client
    assert other.sync(settings).chat("Hi")["text"] == "ok"
    other.close()
    clients.close()


def test_the_settings_reach_the_client_and_the_key_shows_nowhere(fake: FakeReka, settings: ClientSettings) -> None:
    clients = SharedClients()
    fake.will_answer(503, {"detail": "busy"})

    with pytest.raises(reka.ServerError):
        clients.sync(settings).chat("Hi")
    clients.close()

    assert [request.headers["x-api-key"] for request in fake.requests] == [KEY]
    assert KEY not in repr(settings)


def test_the_form_of_requests_reaches_the_client_and_a_wrong_one_is_named(
    fake: FakeReka, settings: ClientSettings
) -> None:
    clients = SharedClients()
    fake.otherwise = answer(200, {"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]})
    messages: list[reka.Message] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]

    forms: list[reka.FormChoice] = ["openai", "reka"]
    wrong: Any = "x"
    for form in forms:
        clients.sync(replace(settings, api="v1", form=form)).complete(messages)
    clients.close()

    assert [request.json["messages"][0]["role"] for request in fake.requests] == ["system", "user"]
    with pytest.raises(reka.InvalidArgumentError, match="form: got 'x', want one of 'auto'"):
        replace(settings, form=wrong)


def test_close_ends_the_connections_of_this_side_and_of_the_background_loop(
    fake: FakeReka, settings: ClientSettings
) -> None:
    clients = SharedClients()
    clients.sync(settings).chat("Hi")
    background_loop.run(clients.aio(settings).chat("Hi"))

    clients.close()

    assert fake.connections == 2
    assert fake.all_connections_closed()
    assert clients.sync(settings).chat("Hi")["text"] == "ok"
    clients.close()


def test_what_nobody_closed_is_closed_when_nobody_holds_it_any_more(fake: FakeReka, settings: ClientSettings) -> None:
    clients = SharedClients()
    clients.sync(settings).chat("Hi")
    background_loop.run(clients.aio(settings).chat("Hi"))
    del clients
    gc.collect()

    assert fake.connections == 2
    assert fake.all_connections_closed()


async def test_aclose_ends_those_of_the_running_loop_too(fake: FakeReka, settings: ClientSettings) -> None:
    clients = SharedClients()
    await clients.aio(settings).chat("Hi")
    await asyncio.to_thread(background_loop.run, clients.aio(settings).chat("Hi"))

    await clients.aclose()

    assert fake.connections == 2
    assert await asyncio.to_thread(fake.all_connections_closed)


def test_closing_on_the_background_loop_is_no_deadlock(fake: FakeReka, settings: ClientSettings) -> None:
    clients = SharedClients()

    async def ask_and_close() -> None:
        await clients.aio(settings).chat("Hi")
        await clients.aclose()

    background_loop.run(ask_and_close())

    assert fake.all_connections_closed()


def test_where_datasets_live_is_a_setting(fake: FakeReka) -> None:
    clients = SharedClients()
    fake.otherwise = answer(404)

    with pytest.raises(reka.NotFoundError):
        clients.sync(ClientSettings(KEY, fake.url, datasets="host")).list_datasets()
    with pytest.raises(reka.UnsupportedRequestError):
        clients.sync(ClientSettings(KEY, fake.url)).list_datasets()
    clients.close()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *(("api_key", key) for key in ("käse", " key", 3)),
        *(("base_url", url) for url in ("reka.ai", "ftp://e.com", "http://user@e.com", 3)),
        *(("timeout", timeout) for timeout in (0, -1, "5", True, float("nan"))),
        *(("max_retries", number) for number in (-1, "2", True)),
        *(("form", form) for form in ("claude", 3)),
        *(("datasets", place) for place in ("", "cloud", 3)),
        *(("headers", headers) for headers in ({"a b": "c"}, {"a": "b\n"}, ["a"])),
        *(("proxies", proxies) for proxies in ({"https": 3}, "http://proxy")),
        *(("ca_bundle", path) for path in (3, ["a"])),
        *(("session", session) for session in ("a", 3)),
        *(("async_session", session) for session in ("a", 3)),
    ],
)
def test_a_wrong_setting_is_refused_when_it_is_given(name: str, wrong: Any) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=f"^{name}: got "):
        ClientSettings(**{name: wrong})


def test_headers_and_sessions_are_those_of_the_client_and_show_in_no_text(fake: FakeReka) -> None:
    fake.otherwise = answer(200, [])
    with requests.Session() as session:
        settings = ClientSettings(KEY, fake.url, headers={"x-team": "secret"}, proxies={}, session=session)
        clients = SharedClients()
        clients.sync(settings).get_models()
        clients.close()

        assert clients.sync(replace(settings, headers={"x-team": "secret"})) is clients.sync(settings)
        assert clients.sync(replace(settings, headers=None)) is not clients.sync(settings)
        assert session.get(fake.url).status_code == 200
    assert fake.requests[0].headers["x-team"] == "secret"
    assert "secret" not in repr(settings)
