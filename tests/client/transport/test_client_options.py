"""What a client can be told: headers, timeouts, proxies, certificates, a session, and whom to tell of each request."""

import asyncio
import logging
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests

import reka
from reka.testing import FakeReka, reset, say_nothing
from reka.testing.bodies import chunk, events, texts
from tests.support.clients import KEY, Connect
from tests.support.completions import HI
from tests.support.tls import LOOPBACK_CERTIFICATE

TURN = {"type": "model", "text": "Hello"}
NOW = {"retry-after-ms": "1"}


def test_default_headers_go_with_every_request(connect: Connect, fake: FakeReka, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    fake.will_answer(200, [])
    fake.will_answer(200, TURN)
    fake.will_stream(texts("Hello"))
    fake.will_answer(200, {"name": "a", "ok": True, "info": ""})

    with connect(KEY, fake.url, headers={"X-Team": "blue", "X-Number": 7}) as client:
        client.get_models()
        client.chat("Hi")
        list(client.stream("Hi"))
        client.add_dataset(tmp_path / "a.txt", "a")

    assert [(request.headers["x-team"], request.headers["x-number"]) for request in fake.requests] == [
        ("blue", "7")
    ] * 4


def test_headers_are_taken_as_requests_takes_them(connect: Connect, fake: FakeReka) -> None:
    fake.will_answer(200, [])
    given = {"X-Bytes": b"coffee", b"X-Name": "a", "X-None": None, "Accept": None}

    with connect(KEY, fake.url, headers=given) as client:
        client.get_models()

    sent = fake.requests[0].headers
    assert (sent["x-bytes"], sent["x-name"]) == ("coffee", "a")
    assert "x-none" not in sent
    assert sent.get("accept", "*/*") == "*/*"


def test_headers_may_replace_ours_but_never_the_key(connect: Connect, fake: FakeReka) -> None:
    fake.will_answer(200, TURN)

    with connect(KEY, fake.url, headers={"User-Agent": "mine/1", "X-Api-Key": "another"}) as client:
        client.chat("Hi")

    assert fake.requests[0].headers["user-agent"] == "mine/1"
    assert fake.requests[0].headers["x-api-key"] == KEY


@pytest.mark.parametrize("name", ["x-api-key", "X-API-KEY"])
def test_a_key_among_the_headers_is_replaced_however_it_is_written(connect: Connect, fake: FakeReka, name: str) -> None:
    fake.will_answer(200, [])

    with connect(KEY, fake.url, headers={name: "another"}) as client:
        client.get_models()

    assert fake.requests[0].headers["x-api-key"] == KEY


@pytest.mark.parametrize("headers", ["X-Team: blue", [("X-Team", "blue")], 7])
def test_headers_are_a_dict(connect: Connect, headers: Any) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="headers: got"):
        connect(KEY, headers=headers)


@pytest.mark.parametrize(
    "headers",
    [{"X-Team": "a\r\nX-Other: b"}, {"X-Team": b"a\n"}, {"X-Team\n": "a"}, {"X Team": "a"}, {"": "a"}, {None: "a"}],
)
def test_a_header_that_cannot_be_one_is_refused_before_it_is_sent(
    connect: Connect, fake: FakeReka, headers: dict[Any, Any]
) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="headers: got"), connect(KEY, fake.url, headers=headers) as c:
        c.get_models()

    assert fake.requests == []


def test_the_user_agent_names_the_package_its_version_and_the_library(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, [])

    client.get_models()

    agent = fake.requests[0].headers["user-agent"]
    assert agent.startswith(f"reka/{reka.__version__} ")
    assert agent.split()[1].partition("/")[0] in {"python-requests", "aiohttp"}
    assert platform.node() not in agent


def test_each_request_is_one_event(connect: Connect, fake: FakeReka) -> None:
    seen: list[reka.RequestEvent] = []
    fake.will_answer(503, {"detail": "busy"}, NOW)
    fake.will_answer(200, TURN, {"x-request-id": "r-1"})
    fake.will_give(reset)
    fake.will_stream(texts("Hello"))
    fake.will_answer(404, {"detail": "no"}, {"x-request-id": "r-2"})
    fake.will_answer(200, [])

    with connect(KEY, fake.url, on_event=seen.append) as client:
        client.chat("Hi")
        list(client.stream("Hi"))
        with pytest.raises(reka.DatasetError):
            client.delete_dataset("a")

    assert [(event.method, event.path, event.status_code, event.request_id, event.error) for event in seen] == [
        ("POST", "/chat", 503, None, None),
        ("POST", "/chat", 200, "r-1", None),
        ("POST", "/v1/chat/completions", None, None, "APIConnectionError"),
        ("POST", "/v1/chat/completions", 200, None, None),
        ("DELETE", "/datasets/a", 404, "r-2", None),
        ("GET", "/datasets", 200, None, None),
    ]
    assert all(0 <= event.seconds < 5 for event in seen)
    assert KEY not in repr(seen)


@pytest.mark.parametrize("method", ["get_models", "stream", "refused"])
def test_an_error_of_the_callers_own_callback_comes_through_and_leaves_no_connection(
    connect: Connect, fake: FakeReka, method: str
) -> None:
    def fail(event: reka.RequestEvent) -> None:
        raise KeyError(event.path)

    if method == "refused":
        fake.will_give(reset)
    else:
        fake.will_stream(events(chunk(content="Hel")), ends=False)
    client = connect(KEY, fake.url, on_event=fail)

    with pytest.raises(KeyError):
        list(client.stream("Hi")) if method == "stream" else client.get_models()

    assert fake.all_connections_closed()
    assert len(fake.requests) == 1
    with client:
        pass


def test_each_retry_is_one_log_line_with_no_secret(
    connect: Connect, fake: FakeReka, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "reka")
    fake.will_answer(503, {"detail": "busy"}, NOW)
    fake.will_answer(429, {"detail": f"slow down, {KEY}"}, {"retry-after-ms": "10"})
    fake.will_answer(200, TURN)

    with connect(KEY, fake.url) as client:
        client.chat("My password is hunter2")

    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("reka", "INFO", "POST /chat: try 1 failed (503), again in 0.00 s"),
        ("reka", "INFO", "POST /chat: try 2 failed (429), again in 0.01 s"),
    ]


def test_a_client_with_other_limits_shares_connections_and_all_else(connect: Connect, fake: FakeReka) -> None:
    for _ in range(2):
        fake.will_answer(503, {"detail": "busy"}, NOW)
    fake.will_answer(200, [])

    with connect(KEY, fake.url, max_retries=1, headers={"X-Team": "blue"}) as client:
        with pytest.raises(reka.ServerError):
            client.with_options(max_retries=0).get_models()
        client.get_models()
        slow = client.with_options(timeout=0.05, max_retries=0)
        fake.will_give(say_nothing)
        with pytest.raises(reka.APITimeoutError, match=r"0\.05 s"):
            slow.get_models()

    assert [request.headers["x-team"] for request in fake.requests] == ["blue"] * 4
    assert fake.connections == 1


@pytest.mark.parametrize("options", [{"timeout": -1}, {"max_retries": -1}])
def test_other_limits_are_checked(connect: Connect, options: dict[str, Any]) -> None:
    with connect(KEY) as client, pytest.raises(reka.InvalidArgumentError):
        client.with_options(**options)


def test_no_proxy_is_used_where_the_caller_says_so(
    connect: Connect, fake: FakeReka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    fake.will_answer(200, [])

    with connect(KEY, fake.url, proxies={}) as client:
        assert client.get_models() == []


@pytest.mark.parametrize("scheme", ["http", "all"])
def test_the_callers_own_proxy_goes_before_the_environments(
    connect: Connect, fake: FakeReka, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    fake.will_answer(200, [])

    with connect(KEY, "http://reka.example", proxies={scheme: fake.url}) as client:
        client.get_models()

    assert fake.paths == ["GET http://reka.example/models"]


def test_a_host_that_needs_no_proxy_gets_none(
    connect: Connect, fake: FakeReka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fake.will_answer(200, [])

    with connect(KEY, fake.url) as client:
        assert client.get_models() == []


def test_a_proxy_without_a_scheme_is_an_http_one(connect: Connect, fake: FakeReka) -> None:
    fake.will_answer(200, [])

    with connect(KEY, "http://reka.example", proxies={"http": fake.url.removeprefix("http://")}) as client:
        client.get_models()

    assert fake.paths == ["GET http://reka.example/models"]


@pytest.mark.parametrize(
    "proxy", ["ftp://user:pass-word@127.0.0.1:1", "http://user:pass-word@[::1", "http://:0", "://"]
)
def test_a_proxy_that_cannot_be_one_is_refused_without_showing_its_password(
    connect: Connect, fake: FakeReka, proxy: str
) -> None:
    with (
        connect(KEY, fake.url, proxies={"all": proxy}) as client,
        pytest.raises(reka.InvalidArgumentError, match="proxies") as caught,
    ):
        client.get_models()

    assert "pass-word" not in str(caught.value)
    assert fake.connections == 0


def test_a_socks_proxy_is_refused_with_what_is_missing_for_it(
    connect: Connect, fake: FakeReka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")

    with (
        connect(KEY, "http://reka.example") as client,
        pytest.raises(reka.InvalidArgumentError, match=r"requests\[socks\]|aiohttp"),
    ):
        client.get_models()

    assert fake.connections == 0


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("proxies", "http://127.0.0.1:1"),
        ("proxies", {"http": 1}),
        ("ca_bundle", 1),
        ("on_event", "print"),
        ("session", object()),
    ],
)
def test_a_setting_that_is_not_what_it_must_be_is_named(connect: Connect, argument: str, value: Any) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=f"^{argument}: got .* want "):
        connect(KEY, **{argument: value})


@pytest.fixture
def secure() -> Any:
    server = FakeReka(LOOPBACK_CERTIFICATE)
    yield server
    server.close()


def test_a_certificate_that_nobody_vouches_for_is_refused_and_the_key_stays_here(
    connect: Connect, secure: FakeReka
) -> None:
    with (
        connect(KEY, secure.url, max_retries=0) as client,
        pytest.raises(reka.APIConnectionError, match=r"TLS failed .*REQUESTS_CA_BUNDLE"),
    ):
        client.get_models()

    assert secure.requests == []


@pytest.mark.parametrize("variable", [None, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_certificate_that_the_caller_or_the_environment_vouches_for_is_taken(
    connect: Connect, secure: FakeReka, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    options = {"ca_bundle": str(LOOPBACK_CERTIFICATE)} if variable is None else {}
    if variable is not None:
        monkeypatch.setenv(variable, str(LOOPBACK_CERTIFICATE))
    secure.will_answer(200, [])
    secure.will_stream(texts("Hello"))

    with connect(KEY, secure.url, **options) as client:
        assert client.get_models() == []
        assert "".join(event.text for event in client.stream("Hi")) == "Hello"


def test_a_certificate_for_another_host_is_refused(connect: Connect, secure: FakeReka) -> None:
    elsewhere = secure.url.replace("127.0.0.1", "127.0.0.2")

    with (
        connect(KEY, elsewhere, ca_bundle=str(LOOPBACK_CERTIFICATE), max_retries=0) as client,
        pytest.raises(reka.APIConnectionError),
    ):
        client.get_models()

    assert secure.requests == []


def test_a_session_of_the_callers_own_is_used_as_it_is_and_not_closed(fake: FakeReka) -> None:
    for _ in range(3):
        fake.will_answer(200, [])
    fake.will_stream(texts("Hello"))

    with requests.Session() as session:
        session.headers["X-Session"] = "mine"
        for _ in range(2):
            with reka.Reka(KEY, fake.url, session=session) as client:
                client.get_models()
        assert session.get(f"{fake.url}/models").json() == []
        assert "".join(event.text for event in reka.Reka(KEY, fake.url, session=session).stream("Hi")) == "Hello"

    assert [request.headers["x-session"] for request in fake.requests] == ["mine"] * 4
    assert fake.connections == 1


async def test_an_async_session_of_the_callers_own_is_used_as_it_is_and_not_closed(fake: FakeReka) -> None:
    for _ in range(3):
        fake.will_answer(200, [])

    async with aiohttp.ClientSession(headers={"X-Session": "mine"}) as session:
        for _ in range(2):
            async with reka.AsyncReka(KEY, fake.url, session=session) as client:
                await client.get_models()
        async with session.get(f"{fake.url}/models") as response:
            assert await response.json() == []

    assert [request.headers["x-session"] for request in fake.requests] == ["mine"] * 3
    assert fake.connections == 1


def test_neither_kind_of_session_lets_the_key_follow_a_redirect(fake: FakeReka) -> None:
    elsewhere = FakeReka()
    for _ in range(2):
        fake.will_answer(307, b"", {"Location": f"{elsewhere.url}/models"})

    with (
        requests.Session() as session,
        pytest.raises(reka.UnexpectedResponseError, match="another origin"),
    ):
        reka.Reka(KEY, fake.url, session=session).get_models()

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            await reka.AsyncReka(KEY, fake.url, session=session).get_models()

    with pytest.raises(reka.UnexpectedResponseError, match="another origin"):
        asyncio.run(ask())
    elsewhere.close()
    assert elsewhere.requests == []


SLOW: list[Callable[[reka.Reka], object]] = [
    lambda client: client.complete(HI, timeout=reka.Timeout(connect=1, read=0.05, total=1)),
    lambda client: list(client.stream("Hi", timeout=reka.Timeout(connect=1, read=0.05, total=1))),
    lambda client: list(client.stream_messages(HI, timeout=reka.Timeout(connect=1, read=0.05, total=1))),
]


@pytest.mark.parametrize("call", SLOW, ids=["complete", "stream", "stream_messages"])
def test_a_timeout_of_one_call_is_that_calls_alone(
    connect: Connect, fake: FakeReka, call: Callable[[reka.Reka], object]
) -> None:
    fake.will_give(say_nothing)

    with connect(KEY, fake.url, max_retries=0) as client:
        with pytest.raises(reka.APITimeoutError, match=r"no answer within 0\.05 s"):
            call(client)
        fake.will_answer(200, [])
        assert client.get_models() == []
