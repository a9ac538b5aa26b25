"""A server on loopback answers programs of its machine, not web pages of others; keys that were made stay needed."""

import re
import threading
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from pydantic import ValidationError

from reka.server.errors import WrongKeyError
from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from reka.server.storage.api_keys import KeyRing
from reka.server.storage.database import Database, sqlite_url
from reka.testing import FakeReka
from tests.support.caller import Caller
from tests.support.processes import run_reka_serve
from tests.support.servers import Call, Start, open_caller, run_server

FOREIGN_HOSTS = (
    "evil.example",
    "evil.example:8000",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "notlocalhost",
    "192.168.1.2",
    "0.0.0.0",
    "[::2]",
    "169.254.169.254",
    "",
    "localhost@evil.example",
    "evil.example@localhost",
    "localhost/evil",
    "localhost\\evil",
    "localhost#.evil.example",
    "localhost:port",
    "127.1",
    "2130706433",
    "l\xf6calhost",
)
OWN_HOSTS = (
    "localhost",
    "LOCALHOST:1",
    "127.0.0.1",
    "127.8.8.8:80",
    "[::1]",
    "[::1]:8000",
    "app.localhost",
    "localhost.",
)
FOREIGN_ORIGINS = (
    "http://evil.example",
    "https://127.0.0.1.evil.example",
    "null",
    "file://",
    "chrome-extension://abcdef",
    "http://localhost@evil.example",
    "http://evil.example\\@localhost",
    "//localhost",
    "localhost",
    "",
)
OWN_ORIGINS = ("http://localhost:3000", "https://127.0.0.1", "http://[::1]:5173", "http://app.localhost:1234")
ROUTES = (
    ("GET", "/datasets"),
    ("POST", "/datasets"),
    ("DELETE", "/datasets/notes"),
    ("POST", "/datasets/notes/prepare-retrieval"),
    ("POST", "/chat"),
    ("POST", "/v1/chat"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/models"),
    ("GET", "/"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("OPTIONS", "/chat"),
    ("GET", "/nothing"),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundServer]:
    with run_server(tmp_path_factory.mktemp("access")) as server:
        yield server


@pytest.fixture
def api(server: BackgroundServer) -> Iterator[Caller]:
    with open_caller(server.url) as caller:
        yield caller


def status(api: Caller, method: str = "GET", path: str = "/datasets", **headers: str) -> int:
    return api.ask(method, path, headers={name: value.encode("latin-1") for name, value in headers.items()}).status_code


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_a_host_name_of_another_machine_is_refused(api: Caller, host: str) -> None:
    assert status(api, Host=host) == 403


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_every_name_and_address_of_loopback_is_served_at_any_port(api: Caller, host: str) -> None:
    assert status(api, Host=host) == 200


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_a_web_page_of_another_site_is_refused(api: Caller, origin: str) -> None:
    assert status(api, Origin=origin) == 403


@pytest.mark.parametrize("origin", OWN_ORIGINS)
def test_a_web_page_of_this_machine_is_served(api: Caller, origin: str) -> None:
    assert status(api, Origin=origin) == 200


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_route_is_left_out(api: Caller, method: str, path: str) -> None:
    assert status(api, method, path, Host="evil.example") == 403
    assert status(api, method, path, Origin="http://evil.example") == 403


def test_what_a_rebound_page_wanted_is_not_done(api: Caller) -> None:
    assert api.add("diary", "The code of the safe is 4711.").ok

    refusal = api.ask("DELETE", "/datasets/diary", headers={"Host": "evil.example"})

    assert "--allowed-host" in refusal.json()["detail"]
    assert refusal.headers["x-request-id"]
    assert api.names() == ["diary"]


def test_the_host_names_of_a_tunnel_or_proxy_are_allowed_by_name(start: Start, call: Call) -> None:
    api = call(start(allowed_hosts=("Reka.Example.org",)))

    assert status(api, Host="reka.example.org") == 200
    assert status(api, Host="reka.example.org:443", Origin="https://reka.example.org") == 200
    assert status(api, Host="other.example.org") == 403


@pytest.mark.parametrize("names", [("http://a.example",), ("a.example:80",), ("a/b",), ("",)])
def test_what_is_no_host_name_is_refused_at_the_start(names: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="want the name of a host"):
        Settings(allowed_hosts=names)


@pytest.mark.parametrize("origins", [("a.example",), ("http://a.example/",), ("http://a.example/path",), ("",)])
def test_what_is_no_origin_is_refused_at_the_start(origins: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="want an origin"):
        Settings(cors_origins=origins)


def preflight(api: Caller, origin: str) -> requests.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-api-key,content-type",
    }
    return api.ask("OPTIONS", "/v1/chat/completions", headers=headers)


def test_pages_of_named_origins_alone_may_ask_across_origins(start: Start, call: Call) -> None:
    api = call(start(cors_origins=("https://chat.example",)))

    allowed, other = preflight(api, "https://chat.example"), preflight(api, "https://evil.example")

    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://chat.example"
    assert "x-api-key" in allowed.headers["access-control-allow-headers"]
    assert other.status_code == 403
    assert "access-control-allow-origin" not in other.headers
    answer = api.ask("GET", "/datasets", headers={"Origin": "https://chat.example"})
    assert answer.headers["access-control-allow-origin"] == "https://chat.example"
    assert "access-control-allow-credentials" not in answer.headers


def test_the_command_line_names_hosts_and_origins_and_requires_keys(data_dir: Path) -> None:
    options = ("--allowed-host", "a.example", "--allowed-host", "b.example", "--cors-origin", "https://c.example")

    with run_reka_serve(data_dir, *options, "--require-key") as url, open_caller(url) as api:
        hosts = [status(api, path="/", Host=host) for host in ("a.example", "b.example", "c.example")]
        origins = [preflight(api, origin).status_code for origin in ("https://c.example", "https://d.example")]
        any_key = status(api)

    assert (hosts, origins, any_key) == ([200, 200, 403], [200, 403], 401)


def test_without_named_origins_no_page_may_ask_across_origins(api: Caller) -> None:
    answer = preflight(api, "http://localhost:3000")

    assert not [name for name in answer.headers if name.startswith("access-control-")]


def made_keys(data_dir: Path) -> KeyRing:
    return KeyRing(Database(sqlite_url(data_dir / "reka.sqlite")), accept_any=False)


def test_a_server_on_another_address_checks_keys_and_not_host_names(start: Start, data_dir: Path) -> None:
    start().stop()
    key = made_keys(data_dir).create("ann")
    server = start(host="0.0.0.0")

    def get(key: str) -> int:
        headers = {"X-Api-Key": key, "Host": "reka.example", "Origin": "https://reka.example"}
        return requests.get(f"http://127.0.0.1:{urlsplit(server.url).port}/datasets", headers=headers).status_code

    assert (get(key), get("another")) == (200, 401)


def test_a_server_that_requires_keys_takes_made_ones_alone_on_loopback_too(start: Start, data_dir: Path) -> None:
    server = start(require_key=True)

    def get(key: str) -> int:
        return requests.get(f"{server.url}/datasets", headers={"X-Api-Key": key}).status_code

    before = get("any")
    key = made_keys(data_dir).create("ann")

    assert (before, get(key), get("any")) == (401, 200, 401)


def test_revoking_the_last_key_opens_the_server_to_nobody(start: Start, call: Call, data_dir: Path) -> None:
    server = start()
    anybody = call(server)
    assert anybody.ask("GET", "/datasets").status_code == 200
    keys = made_keys(data_dir)
    key = keys.create("ann")

    keys.revoke(key)

    assert anybody.ask("GET", "/datasets").status_code == 401
    assert call(server, key).ask("GET", "/datasets").status_code == 401
    server.stop()
    assert call(start()).ask("GET", "/datasets").status_code == 401


def test_a_key_that_was_revoked_can_be_followed_by_another_one(data_dir: Path, start: Start) -> None:
    start().stop()
    keys = made_keys(data_dir)
    first = keys.create("ann")
    keys.revoke(first)
    second = keys.create("ann")

    assert keys.owner_of(second) == "ann"
    with pytest.raises(WrongKeyError):
        keys.owner_of(first)


def test_the_upstream_is_asked_once_for_all_who_want_to_know_whether_it_is_ready(
    start: Start, call: Call, fake: FakeReka
) -> None:
    fake.will_answer(200, {"object": "list", "data": [{"id": "m"}]})
    api = call(start(upstream=fake.url, readiness_seconds=3600))
    statuses: list[int] = []

    threads = [
        threading.Thread(target=lambda: statuses.append(requests.get(f"{api.url}/readyz").status_code))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * 8
    assert len(fake.requests) == 1


def test_a_browser_shows_no_response_as_a_page_and_none_in_a_frame(api: Caller) -> None:
    for method, path in ROUTES:
        headers: Any = api.ask(method, path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["content-security-policy"].startswith("default-src 'none'")


def test_the_page_at_docs_runs_its_own_scripts_alone(api: Caller) -> None:
    page = api.ask("GET", "/docs")
    policy = page.headers["content-security-policy"]

    scripts = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    sources = re.findall(r'<(?:script|link)[^>]*(?:src|href)="([^"]+)"', page.text)

    assert [f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy for script in scripts] == [
        True
    ]
    assert "unsafe-inline" not in policy.partition("style-src")[0]
    assert len(sources) == 3
    assert all(api.ask("GET", source).status_code == 200 for source in sources)
