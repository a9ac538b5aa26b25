"""A key goes to its server, and a proxy's password to the proxy: neither is shown, however a call fails."""

import io
import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import requests
from rich.console import Console
from rich.traceback import Traceback

import reka
from reka._protocol.addresses import Proxies, Secret, is_loopback, normalised_url
from reka.server.generation.types import GenerationError
from reka.server.generation.upstream.backend import UpstreamBackend
from reka.testing import FakeReka, answer, reset, say_nothing, stop_inside_the_body
from reka.testing.bodies import chunk, events
from tests.support.clients import Connect
from tests.support.generation_requests import ask

SECRETS = [f"{name}-secret-" + "0123456789" * 10 for name in ("key", "header", "proxy")]
KEY, HEADER, PASSWORD = SECRETS


def shown(error: BaseException) -> str:
    """What reporters of errors show: the chain of errors, with the local variables of every frame."""
    plain = traceback.TracebackException.from_exception(error, capture_locals=True)
    chain, texts = [error], []
    while chain:
        texts.append(repr(chain[-1]))
        last = chain.pop()
        chain += [other for other in (last.__cause__, last.__context__) if other is not None]
    return "".join([*plain.format(), *texts])


def hides(error: BaseException) -> bool:
    """Whether nothing of a secret is shown."""
    text = shown(error)
    return not any(secret[:11] in text for secret in SECRETS)


def fails_later(handler: Any) -> None:
    """Send the beginning of a stream, and break off."""
    handler.begin("text/event-stream")
    handler.chunk(events(chunk(content="Hi")))


FAULTS: dict[str, Callable[[FakeReka], object]] = {
    "nothing listens": lambda fake: fake.close(),
    "reset": lambda fake: fake.will_give(reset),
    "silence": lambda fake: fake.will_give(say_nothing),
    "half an answer": lambda fake: fake.will_give(stop_inside_the_body),
    "no HTTP": lambda fake: fake.will_give(lambda handler: handler.raw(b"SSH-2.0-OpenSSH\r\n")),
    "refused": lambda fake: fake.will_answer(401, {"detail": "no"}),
    "no JSON": lambda fake: fake.will_answer(200, b"<html>"),
    "redirect": lambda fake: fake.will_answer(307, b"", {"Location": "http://127.0.0.2/"}),
    "bad gzip": lambda fake: fake.will_answer(200, b"no gzip", {"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", ["chat", "get_models"])
def test_no_error_shows_the_key(connect: Connect, fake: FakeReka, fault: str, call: str) -> None:
    FAULTS[fault](fake)
    arguments = ("Hi",) if call == "chat" else ()

    with (
        connect(KEY, fake.url, timeout=0.3, max_retries=0, headers={"X-Own": HEADER}) as client,
        pytest.raises(reka.RekaError) as caught,
    ):
        getattr(client, call)(*arguments)

    assert hides(caught.value)


def test_a_stream_that_breaks_off_does_not_show_the_key(connect: Connect, fake: FakeReka) -> None:
    fake.will_give(fails_later)

    with connect(KEY, fake.url, headers={"X-Own": HEADER}) as client, pytest.raises(reka.RekaError) as caught:
        list(client.stream("Hi"))

    assert hides(caught.value)


def test_an_error_of_the_callers_own_code_does_not_show_the_key(connect: Connect, fake: FakeReka) -> None:
    def fail(_: object) -> None:
        raise LookupError

    fake.will_answer(200, [])

    with connect(KEY, fake.url, on_event=fail) as client, pytest.raises(LookupError) as caught:
        client.get_models()

    assert hides(caught.value)


def test_an_error_inside_the_http_library_does_not_show_the_key(fake: FakeReka) -> None:
    def fail(response: requests.Response, **_: object) -> None:
        response.close()
        raise LookupError

    fake.will_answer(200, [])
    with requests.Session() as session:
        session.hooks["response"].append(fail)
        client = reka.Reka(KEY, fake.url, session=session, headers={"X-Own": HEADER})
        with pytest.raises(LookupError) as caught:
            client.get_models()

    assert hides(caught.value)


@pytest.mark.parametrize("client", [reka.Reka, reka.AsyncReka])
@pytest.mark.parametrize(
    "wrong", [{"timeout": -1}, {"max_retries": "x"}, {"headers": {"A b": HEADER}}, {"on_event": 1}, {"session": 1}]
)
def test_a_wrong_argument_beside_the_key_does_not_show_it(client: Any, wrong: dict[str, Any]) -> None:
    wrong = {"headers": {"X-Own": HEADER}, "proxies": {"all": f"http://user:{PASSWORD}@proxy.example"}} | wrong

    with pytest.raises(reka.InvalidArgumentError) as caught:
        client(KEY, **wrong)

    caught.value.__traceback__ = caught.value.__traceback__ and caught.value.__traceback__.tb_next  # not this function
    assert hides(caught.value)


def test_a_key_that_cannot_be_one_is_not_shown(connect: Connect) -> None:
    with connect(f"{KEY}\n") as client, pytest.raises(reka.InvalidArgumentError) as caught:
        client.get_models()

    assert hides(caught.value)


@pytest.mark.parametrize("address", ["http://reka.example", "https://reka.example"])
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "http://[::1", "ftp://127.0.0.1", "FAKE"])
def test_the_password_of_a_proxy_is_not_shown(connect: Connect, fake: FakeReka, address: str, proxy: str) -> None:
    fake.otherwise = answer(407, {"detail": "what happened"})
    proxies = {"all": proxy.replace("FAKE", fake.url).replace("//", f"//user:{PASSWORD}@")}

    with connect(KEY, address, proxies=proxies, max_retries=0) as client:
        del proxies
        with pytest.raises(reka.RekaError) as caught:
            client.get_models()

    assert hides(caught.value)


def test_the_password_reaches_the_proxy_and_the_key_the_server(connect: Connect, fake: FakeReka) -> None:
    fake.will_answer(200, [])
    proxy = fake.url.replace("//", "//user:word@")

    with connect(KEY, "http://reka.example", proxies={"all": proxy}, headers={"X-Own": HEADER}) as client:
        client.get_models()

    sent = fake.requests[0].headers
    assert (sent["x-api-key"], sent["x-own"], sent["proxy-authorization"]) == (KEY, HEADER, "Basic dXNlcjp3b3Jk")


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_servers_error_of_its_upstream_does_not_show_the_key(fake: FakeReka, fault: str) -> None:
    FAULTS[fault](fake)
    backend = UpstreamBackend(fake.url, model="m", key=Secret(KEY), count_tokens=len, read_timeout=0.3)

    with pytest.raises(GenerationError) as caught:
        await backend.generate(ask("Hi"))
    await backend.close()

    assert hides(caught.value)


def test_a_reporter_that_cuts_long_values_shows_nothing_of_a_secret() -> None:
    def fail(secret: str) -> None:
        raise LookupError

    with pytest.raises(LookupError) as caught:
        fail(Secret(KEY))
    console = Console(file=io.StringIO(), width=200)
    console.print(Traceback.from_exception(LookupError, caught.value, caught.tb, show_locals=True))

    assert "secret = " in console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert KEY[:11] not in console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO


def test_a_secret_is_the_text_that_it_hides() -> None:
    secret = Secret("text")

    assert (secret, f"{secret}", repr(secret), repr(secret[:2]), repr([secret])) == (
        "text",
        "text",
        "'***'",
        "'***'",
        "['***']",
    )


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST.", "app.localhost", "127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1"],
)
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_no_proxy_of_the_environment_stands_before_loopback(
    monkeypatch: pytest.MonkeyPatch, host: str, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    name = f"[{host}]" if ":" in host else host

    assert is_loopback(host)
    assert Proxies(None, {"http"}).of(f"http://{name}:8000") is None
    assert Proxies(None, {"http"}).of("http://127.0.0.1.example") == "http://127.0.0.1:1"
    assert Proxies({"all": "http://127.0.0.1:1"}, {"http"}).of(f"http://{name}:8000") == "http://127.0.0.1:1"


def test_loopback_is_asked_past_the_proxy_of_the_environment(
    connect: Connect, fake: FakeReka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    fake.will_answer(200, [])
    fake.will_answer(200, [])

    with connect(KEY, fake.url, max_retries=0) as client:
        assert client.get_models() == []
    with requests.Session() as session:
        assert reka.Reka(KEY, fake.url, session=session, max_retries=0).get_models() == []


@pytest.mark.parametrize(
    "address",
    [
        "http://reka.example\\@evil.example",
        "http://reka.exa\tmple",
        "http://reka.exa\nmple",
        "http://reka .example",
        "http://user@reka.example",
        "http://@reka.example",
        "http://reka.example/?",
        "http://reka.example/#",
        "http://rek\xe4.example",
        "http://reka.example\uff0fevil.example",
        "http://\uff52eka.example",
        "http://reka%2eexample",
        "http://*.example",
        "http://.reka.example",
        "http://reka.example:80:81",
        "http://[::1]evil.example",
        "http://reka.example/a b",
        "http://reka.example/\xe4",
    ],
)
def test_an_address_that_can_be_read_in_two_ways_is_refused(address: str) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="base_url: got"):
        normalised_url(address)


@pytest.mark.parametrize(
    ("address", "normal"),
    [
        ("HTTPS://API.reka.ai/v1/", "https://API.reka.ai"),
        ("http://my_host-1:8000", "http://my_host-1:8000"),
        ("http://xn--rek-qla.example", "http://xn--rek-qla.example"),
        ("http://[fe80::1%eth0]:8000/a/%C3%A4", "http://[fe80::1%eth0]:8000/a/%C3%A4"),
    ],
)
def test_an_address_that_all_read_alike_is_taken(address: str, normal: str) -> None:
    assert normalised_url(address) == normal


@pytest.mark.parametrize(
    ("address", "warnings"),
    [("http://reka.example", 1), ("https://reka.example", 0), ("http://localhost:1", 0), ("http://127.0.0.2:1", 0)],
)
def test_a_key_that_goes_in_clear_text_to_another_machine_is_warned_of_once(
    connect: Connect, fake: FakeReka, caplog: pytest.LogCaptureFixture, address: str, warnings: int
) -> None:
    fake.otherwise = answer(407, {"detail": "what happened"})
    caplog.set_level(logging.WARNING, "reka")

    with connect(KEY, address, proxies={"all": fake.url}, max_retries=0) as client:
        for _ in range(2):
            with pytest.raises(reka.RekaError):
                client.get_models()

    assert len([record for record in caplog.records if "in clear text" in record.message]) == warnings
    assert KEY not in caplog.text
