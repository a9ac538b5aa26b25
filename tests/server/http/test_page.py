"""The page at `/` over HTTP: who gets it, under which headers, and that it needs nothing from elsewhere."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import reka.server
from reka.server.http.page import is_page_wanted
from tests.support.caller import Caller

CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
FOLDER = Path(reka.server.__path__[0]) / "page"
FILES = sorted(path.name for path in FOLDER.iterdir() if path.name != "index.html")


def page_of(api: Caller, **headers: str) -> "Page":
    answer = api.ask("GET", "/", headers={"Accept": CHROMIUM, **headers})
    assert answer.status_code == 200
    page = Page()
    page.feed(answer.text)
    return page


class Page(HTMLParser):
    """The elements of a page, each a tag with its attributes; and whether any script or style stands in it."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip() and self.elements:
            self.texts.append((self.elements[-1][0], data))

    def having(self, attribute: str) -> list[str]:
        return [
            value or "" for _, attributes in self.elements for name, value in attributes.items() if name == attribute
        ]

    def of(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


@pytest.mark.parametrize(
    ("accept", "is_wanted"),
    [
        (CHROMIUM, True),
        ("text/html", True),
        ("TEXT/HTML ; q=0.5", True),
        ("text/html, application/json;q=0.9", True),
        ("application/json;q=0.9, text/html;q=0.8", False),
        ("application/json, text/html", False),
        ("application/json", False),
        ("*/*", False),
        ("text/*", False),
        ("text/html;q=0, */*", False),
        ("text/html;q=x", False),
        ("", False),
    ],
)
def test_the_page_is_for_those_who_ask_for_html_rather_than_json(accept: str, is_wanted: bool) -> None:
    assert is_page_wanted(accept) is is_wanted


def test_a_browser_gets_the_page_and_a_program_json(api: Caller) -> None:
    page = api.ask("GET", "/", headers={"Accept": CHROMIUM})
    by_default = api.ask("GET", "/")
    without = api.ask("GET", "/", headers={"Accept": None})

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.startswith("<!doctype html>")
    assert by_default.json()["name"] == without.json()["name"] == "reka"
    assert page.headers["vary"] == by_default.headers["vary"] == "Accept"


def test_the_page_may_load_and_call_this_server_alone_and_runs_no_script_of_its_text(api: Caller) -> None:
    headers = api.ask("GET", "/", headers={"Accept": CHROMIUM}).headers

    policy = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))
    allowed = {name: value for name, value in policy.items() if value != "'none'"}
    assert allowed == {
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "require-trusted-types-for": "'script'",
    }
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/", *(f"/page/{name}" for name in FILES)])
def test_a_browser_asks_for_a_file_again_and_gets_it_only_if_it_has_changed(api: Caller, path: str) -> None:
    first = api.ask("GET", path, headers={"Accept": CHROMIUM})
    tag = first.headers["etag"]
    again = api.ask("GET", path, headers={"Accept": CHROMIUM, "If-None-Match": f'"other", W/{tag}'})
    changed = api.ask("GET", path, headers={"Accept": CHROMIUM, "If-None-Match": '"other"'})

    assert first.headers["cache-control"] == again.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]
    assert changed.content == first.content != b""


def test_every_file_that_the_page_names_is_served_and_every_file_is_named(api: Caller) -> None:
    kinds = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    page = page_of(api)
    names = {
        address.removeprefix("page/") for address in page.having("src") + page.having("href") if "page/" in address
    }
    found = set[str]()
    while names:
        name = names.pop()
        found.add(name)
        answer = api.ask("GET", f"/page/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == kinds[name.rpartition(".")[2]]
        names |= set(re.findall(r'from "\./([^"]+)"', answer.text)) - found

    assert sorted(found) == FILES


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "..%2fsettings.py", "%2e%2e/settings.py", "__init__.py"])
def test_nothing_else_is_served_as_a_file_of_the_page(api: Caller, name: str) -> None:
    assert api.ask("GET", f"/page/{name}").status_code == 404


def test_the_page_names_no_other_host_and_has_no_script_or_style_within(api: Caller) -> None:
    page = page_of(api)
    texts = {name: (FOLDER / name).read_text() for name in [*FILES, "index.html"]}

    hosts = {(name, host) for name, text in texts.items() for host in re.findall(r"(?:https?:)?//(\w[\w.-]*)", text)}
    assert {host for host in hosts if "." in host[1]} == {("icon.svg", "www.w3.org")}  # a format's name, never loaded
    assert all("src" in script for script in page.of("script"))
    assert page.of("style") == []
    assert [
        name for _, attributes in page.elements for name in attributes if name.startswith("on") or name == "style"
    ] == []
    assert not any(
        re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text) for text in texts.values()
    )


def test_every_field_has_a_label_and_every_part_a_landmark(api: Caller) -> None:
    page = page_of(api)
    ids = page.having("id")
    labels = [label["for"] for label in page.of("label")]

    assert page.of("html") == [{"lang": "en"}]
    assert sorted(field["id"] or "" for field in page.of("input", "select", "textarea")) == sorted(map(str, labels))
    assert len(ids) == len(set(ids))
    assert len(page.of("main")) == len(page.of("h1")) == len(page.of("header")) == 1
    assert all("aria-label" in part or "aria-labelledby" in part for part in page.of("section", "nav", "dialog"))
    pointers = ("aria-labelledby", "aria-describedby", "aria-controls")
    assert {target for name in pointers for target in page.having(name)} <= set(ids)
    assert "main" in [address.removeprefix("#") for address in page.having("href")]
