"""Media files are sent with their true type, or not at all."""

import base64
from pathlib import Path

import pytest

import reka
from reka.testing import FakeReka
from tests.support.clients import Connect
from tests.support.media_samples import JPEG, MP4, PDF, PNG, WAV

TURN = {"type": "model", "text": "A cat."}


@pytest.mark.parametrize(
    ("name", "content", "mime_type"),
    [
        ("cat.png", PNG, "image/png"),
        ("misnamed.txt", JPEG, "image/jpeg"),
        ("no-ending", MP4, "video/mp4"),
        ("paper.pdf", PDF, "application/pdf"),
        ("sound.wav", WAV, "audio/x-wav"),
        ("drawing.svg", b"<svg xmlns='x'/>", "image/svg+xml"),
    ],
)
def test_a_file_goes_out_as_a_data_url_of_its_true_type(
    client: reka.Reka, fake: FakeReka, tmp_path: Path, name: str, content: bytes, mime_type: str
) -> None:
    (tmp_path / name).write_bytes(content)
    fake.will_answer(200, TURN)

    client.chat("What is this?", media_filename=tmp_path / name)

    turn = fake.requests[0].json["conversation_history"][0]
    assert turn["media_url"] == f"data:{mime_type};base64,{base64.b64encode(content).decode()}"


def test_a_media_url_is_sent_as_it_is(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, TURN)

    client.chat("What is this?", "https://x.example/a.png")

    assert fake.requests[0].json["conversation_history"][0]["media_url"] == "https://x.example/a.png"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    ("url", "kind", "sent"),
    [
        ("https://x.example/a.mp4?b=c.png", "video_url", None),
        ("https://x.example/paper.pdf", "pdf_url", None),
        ("https://x.example/what", "image_url", None),
        ("DATA:Audio/mpeg;base64,AAAA", "audio_url", None),
        ("data:application/octet-stream;base64,AAAA", "image_url", None),
        ("data:application/octet-stream;base64,no base64 é", "image_url", None),
        (f"data:application/octet-stream;base64,{_base64(MP4)}", "video_url", f"data:video/mp4;base64,{_base64(MP4)}"),
        (f"data:;base64,{_base64(PDF)}", "pdf_url", f"data:application/pdf;base64,{_base64(PDF)}"),
    ],
)
def test_a_turns_media_become_the_part_of_their_kind_at_the_completions_endpoint(
    fake: FakeReka, url: str, kind: str, sent: str | None
) -> None:
    fake.will_answer(200, {"choices": [{"message": {"role": "assistant", "content": "A cat."}}]})

    with reka.Reka("key", fake.url, api="v1", form="reka") as client:
        client.chat("What is this?", url)

    part = fake.requests[0].json["messages"][0]["content"][0]
    assert part == {"type": kind, kind: sent or url}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.png", None, "does not exist"),
        ("empty.png", b"", "is empty"),
        ("large.png", PNG + b"\0" * 1000, "is larger than"),
        ("notes.txt", b"plain text", "is text/plain; want an image, video, audio or a PDF"),
        ("unknown", b"plain text", "is of no known type"),
    ],
)
def test_a_file_that_cannot_be_sent_is_named_with_the_reason(
    connect: Connect, fake: FakeReka, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with connect("key", fake.url, max_media_bytes=100) as client, pytest.raises(reka.InvalidArgumentError) as caught:
        client.chat("What is this?", media_filename=str(tmp_path / name))

    assert message in str(caught.value)
    assert name in str(caught.value)
    assert fake.requests == []


def test_a_folder_is_no_media_file(client: reka.Reka, tmp_path: Path) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="is a folder"):
        client.chat("What is this?", media_filename=tmp_path)


def test_an_unreadable_file_is_refused(client: reka.Reka) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="cannot be read"):
        client.chat("What is this?", media_filename="nul\0name")
