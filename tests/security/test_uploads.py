"""An upload costs no more than its text, says what does not fit, and takes nothing along that was not meant."""

import logging
import struct
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

import reka
from reka.errors import InvalidArgumentError
from reka.server.errors import InvalidUploadError
from reka.server.ingest.zip_archive import check_zip, text_files
from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.index import Index
from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from tests.support.archives import zipped
from tests.support.caller import Caller
from tests.support.embedders import WordEmbedder
from tests.support.servers import open_caller, run_server

PDF = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100)
DOCX = zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": "<w/>"})
EPUB = zipped({"mimetype": "application/epub+zip", "a.xhtml": "<html/>"})

KINDS: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "a PDF": (PDF, ("a PDF", "extract its text")),
    "a PDF of letters alone": (b"%PDF-1.4\n1 0 obj<<>>endobj\n%%EOF", ("a PDF", "extract its text")),
    "a PNG": (PNG, ("an image (png)", "describe it")),
    "a JPEG": (b"\xff\xd8\xff\xe0" + bytes(100), ("an image (jpeg)",)),
    "an MP4": (b"\0\0\0\x18ftypmp42" + bytes(100), ("a video (mp4)",)),
    "an MP3": (b"ID3\x03\0\0\0\0\0\x21" + b"\xff\xfb\x90\x44" * 30, ("audio (mpeg)",)),
    "an office document": (DOCX, ("an office document", "save it as plain text")),
    "an e-book": (EPUB, ("an office document", "save it as plain text")),
    "an old office document": (OLD_OFFICE, ("an office document of the older kind", "save it as plain text")),
    "RTF": (b"{\\rtf1\\ansi hello}", ("an office document (RTF)", "save it as plain text")),
    "Latin-1": ("caf\u00e9 au lait".encode("latin-1"), ("text in another encoding", "save it as UTF-8")),
    "a gzip": (b"\x1f\x8b\x08\0" + bytes(100), ("an archive", "unpack it")),
    "something unknown": (b"\x01\x02\xff" * 50, ("is not UTF-8 text", "upload UTF-8 text")),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundServer]:
    with run_server(tmp_path_factory.mktemp("uploads")) as server:
        yield server


@pytest.fixture
def api(server: BackgroundServer) -> Iterator[Caller]:
    with open_caller(server.url) as caller:
        yield caller
        for name in caller.names():
            caller.delete(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "a.txt").write_text("The ferry leaves at nine.")
    return folder


@pytest.mark.parametrize(("content", "said"), KINDS.values(), ids=KINDS)
def test_a_file_that_is_no_text_is_named_for_what_it_is_with_what_to_do(
    api: Caller, content: bytes, said: tuple[str, ...]
) -> None:
    answer = api.add("bad", content, "file")

    assert answer.status_code == 400
    assert all(words in answer.json()["detail"] for words in said), answer.text


@pytest.mark.parametrize(("content", "said"), KINDS.values(), ids=KINDS)
def test_a_folder_with_such_a_file_is_refused_before_anything_is_sent(
    folder: Path, content: bytes, said: tuple[str, ...]
) -> None:
    (folder / "b").write_bytes(content)

    with pytest.raises(InvalidArgumentError) as refusal, reka.Reka("k", "http://127.0.0.1:9") as client:
        client.add_folder(folder, "books")

    assert "'b' is" in str(refusal.value)
    if content[:2] != b"PK":  # there an archive is not looked into
        assert all(words in str(refusal.value) for words in said), refusal.value


MIXED = {"a.txt": b"The lamp needs 5 watts.", "b.pdf": PDF, "c.png": PNG, "d.docx": DOCX, "e.txt": b"caf\xe9 au lait"}


def names_all(message: str) -> bool:
    return all(f"'{name}'" in message for name in MIXED if name != "a.txt") and "'a.txt'" not in message


def test_of_a_mixed_folder_all_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    for name, content in MIXED.items():
        (tmp_path / name).write_bytes(content)

    with reka.Reka("k", "http://127.0.0.1:9") as client:
        with pytest.raises(InvalidArgumentError, match=r"4 of 5 files") as of_folder:
            client.add_folder(tmp_path, "mixed")
        with pytest.raises(InvalidArgumentError) as of_files:
            client.ensure_dataset("mixed", files=sorted(tmp_path.iterdir()))

    assert names_all(str(of_folder.value))
    assert names_all(str(of_files.value))


def test_of_a_mixed_zip_all_files_that_do_not_fit_are_named(api: Caller) -> None:
    assert names_all(api.add("mixed", zipped(MIXED)).json()["detail"])


def test_an_error_stays_short_however_many_files_do_not_fit(api: Caller) -> None:
    answer = api.add("bad", zipped({f"{'x' * 200}{number}": b"\xff" for number in range(1000)}))

    assert "and 990 more" in answer.json()["detail"]
    assert len(answer.content) < 5000


LITTER: dict[str, bytes] = {
    ".DS_Store": b"\0\1",
    "Thumbs.db": OLD_OFFICE,
    "sub/desktop.ini": "[.ShellClassInfo]".encode("utf-16"),
    "._ferry.txt": b"\0\5\x16\7",
    "__MACOSX/._ferry.txt": b"\0\5\x16\7",
    ".git/objects/ab": b"x\x9c\xff",
}


def test_what_systems_leave_in_a_zip_is_left_out_and_named(api: Caller) -> None:
    answer = api.add("ferry", zipped({"ferry.txt": b"The ferry leaves at nine.", **LITTER}))

    assert answer.status_code == 200
    assert all(name in answer.json()["info"] for name in LITTER)
    assert api.prepare("ferry").ok


def test_what_systems_leave_in_a_folder_is_left_out_and_named(server: BackgroundServer, folder: Path) -> None:
    for name, content in LITTER.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    with reka.Reka("k", server.url) as client:
        info = client.add_folder(folder, "litter")["info"]
        client.delete_dataset("litter")

    names = {".DS_Store", "._ferry.txt", ".git", "Thumbs.db", "__MACOSX/._ferry.txt", "sub/desktop.ini"}
    assert set(info.partition("; left out: ")[2].split(", ")) == names


def sent_names(api: Caller, folder: Path) -> list[str]:
    with reka.Reka("a-key", api.url) as client:
        client.add_folder(folder, "books")
    api.await_end(api.prepare("books").json())
    return sorted({chunk["source"] for chunk in api.chunks("ferry", "books", 100)})


def test_a_link_out_of_a_folder_is_left_out_and_named(
    api: Caller, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "id_rsa").write_text("PRIVATE KEY of the ferry")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "b.txt").write_text("a secret of the ferry")
    (folder / ".env").write_text("TOKEN of the ferry")
    (folder / "notes.txt").symlink_to(tmp_path / "id_rsa")
    (folder / "relative.txt").symlink_to("../id_rsa")
    (folder / "hidden.txt").symlink_to(".env")
    (folder / "deep").symlink_to(tmp_path / "secrets")
    (folder / "chain.txt").symlink_to("notes.txt")
    (folder / "again.txt").symlink_to("a.txt")

    with caplog.at_level(logging.WARNING, "reka"):
        names = sent_names(api, folder)

    assert names == ["a.txt", "again.txt"]
    assert [name for name in ("notes", "relative", "hidden", "deep", "chain") if name not in caplog.text] == []


def test_a_backslash_in_a_zip_separates_folders(api: Caller) -> None:
    files = {"books\\": b"", "books\\ferry.txt": b"The ferry leaves at nine.", "books\\Thumbs.db": OLD_OFFICE}

    api.add_prepared("windows", zipped(files), "windows.zip")

    assert [chunk["source"] for chunk in api.chunks("ferry", "windows")] == ["books/ferry.txt"]


@pytest.mark.parametrize(
    "name", ["..\\..\\a.txt", "books\\..\\..\\a.txt", "\\a.txt", "C:\\a.txt", "\\\\host\\share\\a.txt"]
)
def test_a_path_of_windows_that_leads_out_of_a_zip_is_refused(api: Caller, name: str) -> None:
    assert "has a path that leads out of the zip" in api.add("bad", zipped({name: "text"})).json()["detail"]


def test_a_long_name_of_an_entry_is_refused(api: Caller) -> None:
    answer = api.add("bad", zipped({"/".join(["abc def"] * 5000) + ".txt": "text"}))

    assert "has a name of 40003 characters; shorten it to 255" in answer.json()["detail"]
    assert len(answer.content) < 500


def test_a_name_goes_into_each_chunk_shortened(tmp_path: Path) -> None:
    class Recorder(WordEmbedder):
        longest = 0

        def embed(self, texts):  # type: ignore[no-untyped-def]  # as its base class
            self.longest = max(self.longest, *map(len, texts))
            return super().embed(texts)

    embedder = Recorder()
    chunks = (Chunk("x" * 100, "/".join(["abc def"] * 5000), number) for number in range(3))

    Index(tmp_path, embedder).build("t", chunks)

    assert embedder.longest < 100 + 130


def with_directory(entries: int, claim: int) -> bytes:
    """A zip whose directory has many entries, though its end claims another number."""
    local = struct.pack("<4sHHHHHLLLHH", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    entry = struct.pack("<4sBBHHHHHLLLHHHHHLL", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    directory = entry * entries
    end = struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, claim, claim, len(directory), len(local), 0)
    return local + directory + end


@pytest.mark.parametrize("claim", [1, 0, 51, 0xFFFF])
def test_a_zips_directory_is_measured_whatever_its_end_says(tmp_path: Path, claim: int) -> None:
    (tmp_path / "z").write_bytes(with_directory(1000, claim))

    with pytest.raises(InvalidUploadError, match="more than 50 entries"):
        check_zip(tmp_path / "z", Settings(max_zip_entries=50))


def test_a_directory_is_refused_before_an_object_is_made_of_each_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "z").write_bytes(with_directory(200_000, 1))
    made: list[int] = []

    class Counted(zipfile.ZipInfo):
        def __init__(self, *arguments: object) -> None:
            made.append(1)

    monkeypatch.setattr(zipfile, "ZipInfo", Counted)

    with pytest.raises(InvalidUploadError, match="more than 10000 entries"):
        check_zip(tmp_path / "z", Settings())
    assert made == []


def test_an_archive_within_the_limits_is_read_as_before(tmp_path: Path) -> None:
    (tmp_path / "z").write_bytes(zipped({f"{number}.txt": f"text {number}" for number in range(50)}))

    members, skipped = check_zip(tmp_path / "z", Settings(max_zip_entries=50))
    assert (len(members), skipped) == (50, ())
    assert [(name, b"".join(blocks)) for name, blocks in text_files(tmp_path / "z")][49] == ("49.txt", b"text 49")
    assert zipfile.is_zipfile(BytesIO((tmp_path / "z").read_bytes()))
