"""Media of a message: from a URL, a path, bytes or an open file, with its true type, as many as there are."""

import base64
import io
from pathlib import Path
from typing import Any

import pytest

import reka
import reka.media
from reka.testing import FakeReka
from reka.testing.bodies import completion
from tests.support.clients import KEY, Connect
from tests.support.media_samples import JPEG, MP4, PDF, PNG, WAV

KINDS = [
    pytest.param("image", PNG, "image/png", id="image"),
    pytest.param("video", MP4, "video/mp4", id="video"),
    pytest.param("audio", WAV, "audio/x-wav", id="audio"),
    pytest.param("pdf", PDF, "application/pdf", id="pdf"),
]


def _part(kind: str, url: str) -> dict[str, str]:
    return {"type": f"{kind}_url", f"{kind}_url": url}


def _data_url(content: bytes, mime_type: str) -> str:
    return f"data:{mime_type};base64,{base64.b64encode(content).decode()}"


@pytest.mark.parametrize(("kind", "content", "mime_type"), KINDS)
def test_a_part_is_made_of_a_url_a_path_bytes_or_a_file(
    tmp_path: Path, kind: str, content: bytes, mime_type: str
) -> None:
    make = getattr(reka.media, kind)
    path = tmp_path / "no-ending"
    path.write_bytes(content)
    inline = _data_url(content, mime_type)

    assert make("https://x.example/a") == _part(kind, "https://x.example/a")
    assert make("HTTP://x.example/a") == _part(kind, "HTTP://x.example/a")
    assert make(inline) == _part(kind, inline)
    assert make(path) == _part(kind, inline)
    assert make(content) == _part(kind, inline)
    assert make(io.BytesIO(content)) == _part(kind, inline)
    with path.open("rb") as file:
        assert make(file) == _part(kind, inline)


def test_where_the_content_does_not_tell_the_name_of_a_path_or_a_file_does(tmp_path: Path) -> None:
    path = tmp_path / "drawing.svg"
    path.write_bytes(b"<svg xmlns='x'/>")
    inline = _data_url(b"<svg xmlns='x'/>", "image/svg+xml")

    assert reka.media.image(path) == _part("image", inline)
    with path.open("rb") as file:
        assert reka.media.image(file) == _part("image", inline)


@pytest.mark.parametrize(
    ("media", "message"),
    [
        pytest.param("cat.png", "a local file goes in as a pathlib.Path", id="a-path-as-text"),
        pytest.param("data:text/plain,Hi", "want an http(s) URL or a data:image/ URL", id="data-of-another-kind"),
        pytest.param("ftp://x/a.png", "got 'ftp://x/a.png'", id="another-scheme"),
        pytest.param("x" * 1000, f"got '{'x' * 80}', want", id="a-long-text"),
        pytest.param(b"", "image: it is empty", id="nothing"),
        pytest.param(b"plain text", "image: it is of no known type; want image/", id="no-type"),
        pytest.param(PDF, "image: it is application/pdf; want image/", id="another-type"),
        pytest.param(io.BytesIO(), "image: it is empty", id="an-empty-file"),
        pytest.param(io.StringIO("Hi"), "open it in binary mode", id="a-text-file"),
        pytest.param(7, "got int, want a URL, a path, bytes or a binary file", id="a-number"),
        pytest.param(None, "got NoneType", id="none"),
        pytest.param(Path("/no/such/cat.png"), "'/no/such/cat.png' does not exist", id="a-missing-file"),
        pytest.param(Path("/"), "is a folder", id="a-folder"),
    ],
)
def test_what_is_no_image_is_refused_with_the_reason(media: Any, message: str) -> None:
    with pytest.raises(reka.InvalidArgumentError) as caught:
        reka.media.image(media)

    assert str(caught.value).startswith("image: ")
    assert message in str(caught.value)


class Endless(io.RawIOBase):
    """A file with no end, which nobody must read to its end."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = bytes(len(buffer))
        return len(buffer)


@pytest.mark.parametrize("how", ["bytes", "file", "path", "endless"])
def test_the_size_has_a_limit_and_no_more_than_that_is_read(tmp_path: Path, how: str) -> None:
    large = PNG + bytes(2**20)
    (tmp_path / "large.png").write_bytes(large)
    media: Any = {"bytes": large, "file": io.BytesIO(large), "path": tmp_path / "large.png", "endless": Endless()}[how]

    with pytest.raises(reka.InvalidArgumentError, match=r"is larger than 1 MiB; give a smaller file"):
        reka.media.image(media, max_bytes=2**20)


def test_exactly_the_limit_may_be_sent() -> None:
    content = PNG + bytes(1000 - len(PNG))

    assert reka.media.image(content, max_bytes=1000) == _part("image", _data_url(content, "image/png"))


def test_several_media_of_several_kinds_go_in_one_message(connect: Connect, fake: FakeReka) -> None:
    fake.will_answer(200, completion(content="All of it."))
    parts = [
        reka.media.image("https://x.example/a.png"),
        reka.media.image(JPEG),
        reka.media.pdf(PDF),
        {"type": "text", "text": "What is all this?"},
    ]

    with connect(KEY, fake.url, form="reka") as client:
        client.complete([{"role": "user", "content": parts}])

    assert fake.paths == ["POST /v1/chat/completions"]
    assert fake.requests[0].json["messages"] == [{"role": "user", "content": parts}]
