"""The server's page in a real Chromium: what a user does, what goes wrong, what hostile texts try, who can use it."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from reka.testing import FakeReka, answer
from tests.support.embedders import WordEmbedder
from tests.support.peers import BROWSER, CHROMIUM, peer_environment
from tests.support.processes import output_of
from tests.support.servers import NOTES

PROGRAM: Final = Path(__file__).parent / "programs" / "page_in_chromium.py"
HOSTILE: Final = """The owl says <script>alert(1)</script> and <img src=x onerror=alert(2)>.

The owl says [here](javascript:alert(3)) and [there](https://e.org/"onclick="alert(4)) and <iframe srcdoc="x"></iframe>.

The owl says ![a picture](https://e.org/picture.png) and https://e.org/page too.
"""

pytestmark = [
    pytest.mark.prove,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on this machine"),
]

Serve = Callable[..., str]
Browse = Callable[[str, str], dict[str, Any]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a server with these settings, and give its address."""
    servers = []

    def serve(**settings: Any) -> str:
        given = Settings(port=0, data_dir=tmp_path / "data", **settings)
        servers.append(BackgroundServer(given, embedder=WordEmbedder()))
        return servers[-1].url

    yield serve
    for server in servers:
        server.stop()


@pytest.fixture
def model(fake: FakeReka) -> FakeReka:
    """A model whose answers a test scripts."""
    fake.listing = answer(200, {"data": [{"id": "m"}]})
    return fake


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """What the user has."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "notes.txt").write_text(NOTES)
    (folder / "hostile.txt").write_text(HOSTILE)
    (folder / "bad.bin").write_bytes(bytes(range(256)) * 10)
    (folder / "large.txt").write_text("word " * 100_000)
    return folder


@pytest.fixture
def browse(files: Path) -> Browse:
    """Run a session of the program, and give what it saw; no session may reach another host or break the page."""

    def browse(session: str, url: str) -> dict[str, Any]:
        python = str(peer_environment(*BROWSER))
        seen: dict[str, Any] = json.loads(
            output_of(python, "-I", str(PROGRAM), session, url, str(CHROMIUM), str(files))
        )
        assert set(seen["hosts"]) <= {urlsplit(url).netloc}
        assert seen["problems"] == []
        return seen

    return browse


def stream(*texts: str, done: bool = True) -> list[bytes]:
    """The events of an upstream's answer."""
    choices: list[dict[str, Any]] = [{"index": 0, "delta": {"content": text}, "finish_reason": None} for text in texts]
    if done:
        choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    events = [json.dumps({"model": "m", "choices": [choice]}) for choice in choices] + (["[DONE]"] if done else [])
    return [f"data: {event}\n\n".encode() for event in events]


def test_a_user_uploads_watches_asks_sees_the_chunks_and_searches(serve: Serve, browse: Browse) -> None:
    seen = browse("upload_ask_and_search", serve())

    assert "Stored" in seen["upload"]
    assert "is chosen for chats and searches" in seen["upload"]
    assert "The hen of the farm lays 12 eggs." in seen["answer"]
    assert "first text after" in seen["answer"]
    assert "tokens in" in seen["answer"]
    assert "score" in seen["answer"]
    assert seen["announcement"].startswith("The answer is complete.")
    assert list(seen["code"]) == ["reka", "LangChain", "LlamaIndex", "OpenAI SDK", "curl"]
    assert all("What does the hen lay?" in code and "notes" in code for code in seen["code"].values())
    assert "rank by words: 1" in seen["results"][0]
    assert "The hen of the farm" in seen["documents"]


def test_a_key_is_asked_for_until_the_server_knows_it_and_stays_in_the_tab(
    serve: Serve, browse: Browse, files: Path
) -> None:
    data_dir = files.parent / "data"
    key = output_of(sys.executable, "-m", "reka.cli", "keys", "create", "user", "--data-dir", str(data_dir)).strip()
    (files / "key").write_text(key)
    url = serve(require_key=True)

    seen = browse("wrong_key", url)

    assert "API key" in seen["reason"]
    assert seen["stored"] == [[key], [], ""]
    assert key not in seen["code"]
    assert seen["trouble"] is False


def test_an_upload_that_fails_says_why(serve: Serve, browse: Browse) -> None:
    seen = browse("failing_upload", serve(max_upload_bytes=100_000))

    assert "text" in seen["refused"]
    assert "100000" in seen["too_large"] or "larger than it takes" in seen["too_large"]


def test_a_text_that_is_markup_is_shown_as_text(serve: Serve, browse: Browse) -> None:
    seen = browse("markup", serve())

    assert "<script>alert(1)</script>" in seen["answer"]
    tags = {element.split()[0] for element in seen["elements"]}
    assert not tags & {"SCRIPT", "IMG", "IFRAME"}
    assert not [element for element in seen["elements"] if " on" in element]
    assert {tuple(link) for link in seen["links"]} <= {("https:", "noopener noreferrer nofollow")}


def test_a_very_long_answer_is_shown_whole_and_followed_to_its_end(
    serve: Serve, browse: Browse, files: Path, model: FakeReka
) -> None:
    (files / "question").write_text("Count")
    model.will_stream(*stream(*(f"- line **{number}**\n" for number in range(5000))))
    seen = browse("one_question", serve(upstream=model.url, upstream_model="m"))

    assert seen["rows"] == 5000
    assert "line 4999" in seen["answer"]
    assert seen["from_end"] < 50


def test_a_stream_that_breaks_off_says_so_and_keeps_what_came(
    serve: Serve, browse: Browse, files: Path, model: FakeReka
) -> None:
    (files / "question").write_text("Count")
    model.will_stream(*stream("one ", "two ", done=False))
    seen = browse("one_question", serve(upstream=model.url, upstream_model="m", upstream_retries=0))

    assert "one two" in seen["answer"]
    assert "broke off" in seen["answer"] or "ended" in seen["answer"]


def test_a_refused_question_is_given_back(serve: Serve, browse: Browse, files: Path, model: FakeReka) -> None:
    (files / "question").write_text("Count")
    model.will_answer(400, {"error": {"message": "no counting today"}})
    seen = browse("one_question", serve(upstream=model.url, upstream_model="m"))

    assert "no counting today" in seen["answer"]
    assert seen["field"] == "Count"


def test_an_answer_can_be_stopped(serve: Serve, browse: Browse, model: FakeReka) -> None:
    gone = model.will_stream(*stream("It never ends", done=False), ends=False)
    seen = browse("stopping", serve(upstream=model.url, upstream_model="m"))

    assert gone.wait(10)
    assert "You stopped the answer" in seen["answer"]
    assert seen["focus"] == "question"


def test_the_keyboard_reaches_everything_in_the_order_of_the_page(serve: Serve, browse: Browse) -> None:
    seen = browse("keyboard", serve())

    wanted = ["change-key", "model", "dataset", "passages", "tab-chat", "question", "language-0", "copy"]
    assert [one for one in seen["order"] if one in wanted] == wanted
    assert seen["order"][0] == "Skip to the content"
    assert seen["panel"] is True


def test_axe_finds_nothing_and_nothing_sticks_out_light_or_dark_narrow_or_wide(serve: Serve, browse: Browse) -> None:
    seen = browse("accessibility", serve())

    assert seen["violations"] == []
    assert seen["sideways"] == []
