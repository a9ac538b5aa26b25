"""Uploads of any bytes: each is answered, none makes the server fail, and none leaves a file behind."""

import io
import random
import zipfile
from http.client import HTTPConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from tests.support.servers import Call, Start

NAMES: Final = (
    "notes.txt",
    "../../x.txt",
    "a\\b.md",
    "/etc/passwd",
    "",
    "a" * 300,
    "\N{OWL}.txt",
    "a\0b.txt",
    "__MACOSX/._a",
)
TEXTS: Final = (
    b"",
    b" \n",
    b"The owl hunts at night.\n",
    "\N{OWL} äöü\r\n".encode(),
    b"%PDF-1.7\n",
    b"\xff\xfeh\0i\0",
    b"a\0b",
)
CONTENT_TYPES: Final = (
    "multipart/form-data; boundary=b",
    'multipart/form-data; boundary="b"',
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=c",
    f"multipart/form-data; boundary={'b' * 300}",
    'multipart/form-data; boundary="b; charset=utf-8',
    "multipart/mixed; boundary=b",
    "text/plain",
    "",
)

Headers = dict[str, str]


def part(rng: random.Random, name: str, content: bytes, filename: str | None = None) -> bytes:
    more = "" if filename is None else f'; filename="{filename}"'
    extra = rng.choice(
        ["", "", "Content-Type: text/plain\r\n", "X-A: b\r\n" * rng.randint(1, 12), f"X-A: {'a' * 5000}\r\n"]
    )
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n{extra}\r\n'
    return head.encode("utf-8", "replace") + content + b"\r\n"


def archive(rng: random.Random) -> bytes:
    """A zip of a few entries, of which some could be refused, and sometimes not quite a zip."""
    file = io.BytesIO()
    method = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    with zipfile.ZipFile(file, "w", method) as entries:
        for name in rng.sample(["1.txt", "2/a.md", "3.md", *NAMES], rng.randint(0, 4)):
            entries.writestr(zipfile.ZipInfo(name or "empty"), rng.choice(TEXTS) * rng.choice([1, 1, 5000]), method)
    return mutated(rng, file.getvalue()) if rng.random() < 0.5 else file.getvalue()


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Change some of the bytes: others, none, twice, or as from somewhere else in them."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at, size = rng.randrange(len(changed) + 1), rng.randint(1, 20)
        elsewhere = rng.randrange(len(changed) + 1)
        changed[at : at + rng.choice([0, size])] = rng.choice(
            [b"", rng.randbytes(size), b"\r\n", b"--b", b"--b--", b"\0", bytes(changed[elsewhere : elsewhere + size])]
        )
    return bytes(changed)


def upload(rng: random.Random) -> tuple[Headers, bytes]:
    """The headers and the body of an upload that a client might send, or nearly."""
    content = archive(rng) if rng.random() < 0.4 else rng.choice(TEXTS) * rng.choice([1, 1, 3, 20_000])
    parts = [
        part(rng, "dataset_name", rng.choice([b"notes", b"", b"../x", "\N{OWL}".encode(), b"\xff", b"a" * 5000])),
        part(rng, "file", content, rng.choice(NAMES)),
    ]
    if rng.random() < 0.3:
        parts.append(part(rng, rng.choice(["dataset_description", "dataset_name", "file", "other"]), b"A text."))
    if rng.random() < 0.2:
        rng.shuffle(parts)
    body = b"".join(parts) + rng.choice([b"--b--\r\n", b"--b--", b"--b--\r\n", b"--b", b""])
    if rng.random() < 0.5:
        body = mutated(rng, body)
    content_type = CONTENT_TYPES[0] if rng.random() < 0.8 else rng.choice(CONTENT_TYPES)
    return {"X-Api-Key": "k", "Content-Type": content_type}, body


def pieces(rng: random.Random, body: bytes) -> list[bytes]:
    """The body in pieces, as they may arrive."""
    cuts = sorted(rng.randrange(len(body) + 1) for _ in range(rng.randint(0, 5)))
    return [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True) if start < end]


class Uploader:
    """Sends uploads over one connection, and a new one when the server has closed it."""

    def __init__(self, url: str) -> None:
        """Connect at the first upload."""
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=30)

    def send(self, rng: random.Random) -> int | None:
        """Send one upload and return its status; None where it was abandoned."""
        headers, body = upload(rng)
        if rng.random() < 0.03:
            self._abandon(headers, body)
            return None
        in_chunks = rng.random() < 0.3
        self._connection.request(
            "POST", "/datasets", pieces(rng, body) if in_chunks else body, headers, encode_chunked=in_chunks
        )
        response = self._connection.getresponse()
        response.read()
        return response.status

    def _abandon(self, headers: Headers, body: bytes) -> None:
        self._connection.request("POST", "/datasets", body[:-1], headers | {"Content-Length": str(len(body) + 9)})
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@pytest.mark.parametrize(
    "uploads", [pytest.param(300, id="sample"), pytest.param(20_000, id="long", marks=pytest.mark.prove)]
)
def test_no_upload_makes_the_server_fail_or_leaves_a_file(
    start: Start, call: Call, data_dir: Path, uploads: int
) -> None:
    server = start(max_upload_bytes=200_000, max_unpacked_bytes=1_000_000)
    api, uploader = call(server, "k"), Uploader(server.url)
    statuses: set[int | None] = set()

    for number in range(uploads):
        status = uploader.send(random.Random(number))
        assert status in (200, 400, 413, None), f"upload {number}: {status}"
        statuses.add(status)
        if status == 200:
            for name in api.names():
                assert api.delete(name).ok

    uploader.close()
    assert {200, 400, None} <= statuses
    server.stop()
    assert [*(data_dir / "staging").iterdir(), *(data_dir / "datasets").iterdir()] == []
