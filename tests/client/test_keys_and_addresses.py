"""Which key and which server a call uses, and that the key goes nowhere else."""

import logging
import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import reka
from reka.testing import FakeReka
from tests.support.clients import KEY, Connect


def test_module_functions_read_key_and_address_when_they_are_called(fake: FakeReka) -> None:
    reka.API_KEY, reka.BASE_URL = "first", fake.url
    fake.will_answer(200, ["reka-flash"])
    fake.will_answer(200, ["reka-flash"])

    assert reka.get_models() == ["reka-flash"]
    reka.API_KEY = "second"
    assert reka.list_models() == ["reka-flash"]

    assert [request.headers["x-api-key"] for request in fake.requests] == ["first", "second"]


@pytest.mark.parametrize("variable", ["REKA_BASE_URL", "REKA_SERVER"])
def test_the_environment_is_read_when_a_call_is_made(
    fake: FakeReka, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("REKA_API_KEY", "from-environment")
    monkeypatch.setenv(variable, fake.url)
    fake.will_answer(200, [])

    reka.list_datasets()

    assert fake.requests[0].headers["x-api-key"] == "from-environment"


def test_arguments_go_before_attributes_and_attributes_before_the_environment(
    connect: Connect, fake: FakeReka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REKA_API_KEY", "environment")
    monkeypatch.setenv("REKA_BASE_URL", "http://127.0.0.1:1")
    reka.BASE_URL = fake.url
    for _ in range(3):
        fake.will_answer(200, [])

    with connect("argument", fake.url) as explicit, connect() as ambient:
        explicit.list_datasets()
        ambient.list_datasets()
        reka.API_KEY = "attribute"
        ambient.list_datasets()

    assert [request.headers["x-api-key"] for request in fake.requests] == ["argument", "environment", "attribute"]


def test_without_a_key_the_error_names_both_ways_to_set_one(fake: FakeReka) -> None:
    reka.BASE_URL = fake.url

    with pytest.raises(reka.AuthError) as caught:
        reka.chat("Hi")

    assert "reka.API_KEY" in str(caught.value)
    assert "REKA_API_KEY" in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert fake.requests == []


def test_a_key_the_server_does_not_take_is_an_auth_error(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(401, {"detail": "unknown key"})

    with pytest.raises(reka.AuthError, match="401: the server does not take this key: unknown key"):
        client.get_models()


@pytest.mark.parametrize("key", ["with\nnewline", "with space ", "schlüssel", 7])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(
    connect: Connect, fake: FakeReka, key: Any
) -> None:
    with connect(key, fake.url) as client, pytest.raises(reka.InvalidArgumentError, match="api_key") as caught:
        client.get_models()

    assert str(key) not in str(caught.value)
    assert fake.requests == []


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_the_end_of_a_base_url_does_not_matter(connect: Connect, fake: FakeReka, suffix: str) -> None:
    fake.will_answer(200, [])

    with connect(KEY, fake.url + suffix) as client:
        client.get_models()

    assert fake.paths == ["GET /models"]


def test_a_base_url_may_have_a_path(connect: Connect, fake: FakeReka) -> None:
    fake.will_answer(200, [])

    with connect(KEY, f"{fake.url}/reka/v1/") as client:
        client.get_models()

    assert fake.paths == ["GET /reka/models"]


@pytest.mark.parametrize(
    "base_url",
    ["api.reka.ai", "ftp://api.reka.ai", "http://", "https://user:pw@api.reka.ai", "http://a?b=c", "http://a:port", 7],
)
def test_a_base_url_that_cannot_be_one_is_refused(connect: Connect, base_url: Any) -> None:
    with connect(KEY, base_url) as client, pytest.raises(reka.InvalidArgumentError, match="base_url: got"):
        client.get_models()


def test_the_key_is_in_no_text_form_and_in_no_log(
    connect: Connect, fake: FakeReka, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.will_answer(503, {"detail": "busy"}, {"retry-after-ms": "1"})
    fake.will_answer(200, [])

    with connect(KEY, fake.url) as client:
        client.get_models()
        shown = f"{client!r} {client} {caplog.text}"

    assert KEY not in shown
    assert "GET /models: try 1 failed (503), again in 0.00 s" in caplog.text


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["get_models", "chat"])
def test_neither_key_nor_question_follows_a_redirect_to_another_origin(
    client: reka.Reka, fake: FakeReka, status: int, method: str
) -> None:
    elsewhere = FakeReka()
    fake.will_answer(status, b"", {"Location": f"{elsewhere.url}/models"})

    with pytest.raises(reka.UnexpectedResponseError, match="another origin"):
        client.get_models() if method == "get_models" else client.chat("Hi")

    assert elsewhere.requests == []
    elsewhere.close()


def test_a_redirect_to_another_scheme_is_refused(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(307, b"", {"Location": fake.url.replace("http:", "https:") + "/models"})

    with pytest.raises(reka.UnexpectedResponseError, match="another origin"):
        client.get_models()


@pytest.mark.parametrize("location", ["http://{thief}\\@{host}/models", "http://{thief}\t@{host}/", "http://x@{host}/"])
def test_a_redirect_to_an_address_that_can_be_read_in_two_ways_is_refused(
    client: reka.Reka, fake: FakeReka, location: str
) -> None:
    thief = FakeReka()
    names = {"thief": thief.url.removeprefix("http://"), "host": fake.url.removeprefix("http://")}
    fake.will_answer(307, b"", {"Location": location.format(**names)})

    with pytest.raises(reka.UnexpectedResponseError, match=r"different ways|another origin"):
        client.get_models()

    assert (thief.requests, len(fake.requests)) == ([], 1)
    thief.close()


def test_the_cause_of_an_error_does_not_have_the_key(connect: Connect, fake: FakeReka) -> None:
    fake.close()

    with connect(KEY, fake.url, max_retries=0) as client, pytest.raises(reka.APIConnectionError) as caught:
        client.chat("Hi")

    error: BaseException | None = caught.value
    while error is not None:
        assert KEY not in str(vars(getattr(error, "request", None) or getattr(error, "request_info", None) or error))
        error = error.__cause__ or error.__context__


def test_a_redirect_within_the_origin_is_followed(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(308, b"", {"Location": "/moved/chat"})
    fake.will_answer(200, {"type": "model", "text": "Hello"})

    assert client.chat("Hi")["text"] == "Hello"
    assert fake.paths == ["POST /chat", "POST /moved/chat"]
    assert fake.requests[0].body == fake.requests[1].body


@pytest.mark.parametrize(
    ("status", "location", "message"),
    [(302, "/moved", "a POST cannot follow it"), (307, "", "it leads nowhere"), (307, "http://[", "it leads nowhere")],
)
def test_a_redirect_that_would_change_the_call_is_refused(
    client: reka.Reka, fake: FakeReka, status: int, location: str, message: str
) -> None:
    fake.will_answer(status, b"", {"Location": location})

    with pytest.raises(reka.UnexpectedResponseError, match=message):
        client.chat("Hi")


def test_a_redirect_loop_ends(client: reka.Reka, fake: FakeReka) -> None:
    for turn in range(10):
        fake.will_answer(307, b"", {"Location": f"/round/{turn}"})

    with pytest.raises(reka.UnexpectedResponseError, match="in a circle"):
        client.get_models()

    assert len(fake.requests) == 5


def test_proxies_of_the_environment_are_used(connect: Connect, fake: FakeReka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", fake.url)
    fake.will_answer(200, [])

    with connect(KEY, "http://reka.example") as client:
        client.get_models()

    assert fake.paths == ["GET http://reka.example/models"]


def test_a_proxy_that_is_not_there_is_named_as_the_reason(
    connect: Connect, fake: FakeReka, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.close()
    monkeypatch.setenv("http_proxy", fake.url)

    with (
        connect(KEY, "http://reka.example", max_retries=0) as client,
        pytest.raises(reka.APIConnectionError, match="the proxy failed"),
    ):
        client.get_models()


def test_a_ca_bundle_of_the_environment_is_used(
    connect: Connect, fake: FakeReka, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))

    with (
        connect(KEY, fake.url.replace("http:", "https:"), max_retries=0) as client,
        pytest.raises(reka.InvalidArgumentError, match=r"^REQUESTS_CA_BUNDLE: .*missing\.pem"),
    ):
        client.get_models()


def test_a_netrc_puts_no_other_key_beside_ours(
    connect: Connect, fake: FakeReka, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    fake.will_answer(200, [])

    with connect(KEY, fake.url) as client:
        client.get_models()

    assert "authorization" not in fake.requests[0].headers


def test_calls_of_one_client_share_connections(client: reka.Reka, fake: FakeReka) -> None:
    for _ in range(5):
        fake.will_answer(200, [], {"Set-Cookie": "a=b"})

    for _ in range(5):
        client.get_models()

    assert fake.connections == 1
    assert not any("cookie" in request.headers for request in fake.requests)


def test_a_closed_client_opens_new_connections(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, [])
    fake.will_answer(200, [])

    client.get_models()
    client.close()
    client.get_models()

    assert fake.connections == 2


def test_many_threads_get_each_their_own_answer(fake: FakeReka) -> None:
    client = reka.Reka(KEY, fake.url)
    for _ in range(64):
        fake.will_answer(200, {"type": "model", "text": "Hello"})
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(client.chat("Hi")["text"])) for _ in range(64)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    client.close()
    assert answers == ["Hello"] * 64


def _ask(client: reka.Reka) -> None:
    sys.exit(0 if client.get_models() == ["child"] else 1)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(fake: FakeReka) -> None:
    client = reka.Reka(KEY, fake.url)
    fake.will_answer(200, ["parent"])
    fake.will_answer(200, ["child"])
    fake.will_answer(200, ["parent again"])
    client.get_models()

    child = multiprocessing.get_context("fork").Process(target=_ask, args=(client,))
    child.start()
    child.join()

    assert child.exitcode == 0
    assert client.get_models() == ["parent again"]
    client.close()
    assert fake.connections == 2


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, reka; print(sorted({'requests', 'pydantic', 'aiohttp', 'urllib3'} & set(sys.modules)))"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == "[]"


def test_all_that_the_package_promises_is_there() -> None:
    assert [name for name in reka.__all__ if not hasattr(reka, name)] == []
    assert dir(reka) == sorted(reka.__all__)
    with pytest.raises(AttributeError, match="no attribute 'chatt'"):
        _ = reka.chatt  # type: ignore[attr-defined]  # that is the point
