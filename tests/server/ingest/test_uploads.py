import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
import requests

from tests.support.archives import zipped
from tests.support.caller import Caller
from tests.support.servers import MAX_UPLOAD, Call, Start


def encrypt(entry: zipfile.ZipInfo) -> None:
    entry.flag_bits |= 0x1


def link(entry: zipfile.ZipInfo) -> None:
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16


def bzip(entry: zipfile.ZipInfo) -> None:
    entry.compress_type = zipfile.ZIP_BZIP2


def encrypted() -> bytes:
    """A zip whose headers say that its entry is encrypted, as zipfile cannot write it."""
    packed = bytearray(zipped({"a.txt": "text"}))
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    return bytes(packed)


def with_false_size() -> bytes:
    """A zip whose directory promises one byte of an entry that has a thousand."""
    packed = bytearray(zipped({"a.txt": "a" * 1000}))
    packed[packed.index(b"PK\x01\x02") + 24 : packed.index(b"PK\x01\x02") + 28] = (1).to_bytes(4, "little")
    return bytes(packed)


def with_false_checksum() -> bytes:
    packed = bytearray(zipped({"a.txt": "some text"}))
    packed[packed.index(b"PK\x01\x02") + 16] ^= 1
    return bytes(packed)


TEXT_FILE = {"a.txt": "some text"}

GERMAN = "Die Fähre fährt um neun Uhr ab, und die Straße zum Hafen bleibt für Autos gesperrt. " * 3
JAPANESE = "船は九時に港を出ます。港への道は閉まっています。" * 3
RUSSIAN = "Паром отходит в девять часов утра, и дорога в гавань закрыта. " * 3

BAD = {
    "empty": (b"", "empty"),
    "white-space": (b" \n\t ", "white space"),
    "only-a-byte-order-mark": (b"\xef\xbb\xbf", "white space"),
    "latin-1": ("caf\u00e9 au lait".encode("latin-1"), "not UTF-8 text: invalid byte 0xe9 at position 3"),
    "latin-1-far-behind": (b"a" * 200_000 + b"\xe9\n", "invalid byte 0xe9 at position 200000"),
    "utf-16-without-a-mark": ("some text".encode("utf-16-le"), "NUL byte at position 1"),
    "utf-16-cut-in-a-character": (
        "some text".encode("utf-16")[:-1],
        "not UTF-16 text: invalid byte 0x74 at position 18",
    ),
    "utf-16-of-white-space": (" \n".encode("utf-16"), "white space"),
    "latin-1-of-some-length": (GERMAN.encode("latin-1"), "another encoding (cp1252, by its bytes), save it as UTF-8"),
    "shift-jis": (JAPANESE.encode("shift-jis"), "another encoding (cp932, by its bytes), save it as UTF-8"),
    "koi8-r-far-behind": (
        b"some words. " * 10_000 + RUSSIAN.encode("koi8-r"),
        "another encoding (koi8-r, by its bytes)",
    ),
    "cut-in-a-character": (b"some text \xe2\x82", "at position 10"),
    "nul": (b"some\0text", "NUL byte at position 4"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not"),
    "only-a-byte-order-mark-of-utf-16": (b"\xff\xfe", "white space"),
    "too-large": (b"a" * (MAX_UPLOAD + 1), f"more than {MAX_UPLOAD} bytes"),
    "cut-short-zip": (zipped(TEXT_FILE)[:-30], "damaged"),
    "zip-magic-alone": (b"PK\x03\x04", "damaged"),
    "zip-of-nothing": (zipped({}), "contains no text"),
    "zip-of-folders": (zipped({"a/": "", "b/c/": ""}), "contains no text"),
    "zip-of-empty-files": (zipped({"a.txt": "", "b.txt": " \n"}), "contains no text"),
    "zip-of-what-macos-adds": (zipped({"__MACOSX/a.txt": "text", ".DS_Store": b"\0"}), "contains no text"),
    "zip-with-a-binary": (zipped({**TEXT_FILE, "b.bin": b"\0\1\2"}), "'b.bin' in the zip is not a text file"),
    "zip-with-latin-1": (zipped({**TEXT_FILE, "b.txt": b"caf\xe9 au lait"}), "'b.txt' in the zip is not UTF-8"),
    "zip-with-a-zip": (zipped({**TEXT_FILE, "b.zip": zipped(TEXT_FILE)}), "'b.zip' in the zip is itself a zip"),
    "zip-encrypted": (encrypted(), "'a.txt' in the zip is encrypted"),
    "zip-with-a-link": (zipped(TEXT_FILE, link), "symbolic link"),
    "zip-with-bzip2": (zipped(TEXT_FILE, bzip), "has a compression method"),
    "zip-absolute": (zipped({"/etc/passwd": "text"}), "'/etc/passwd' in the zip has a path"),
    "zip-dots": (zipped({"../../etc/shadow": "text"}), "'../../etc/shadow' in the zip has a path"),
    "zip-dots-inside": (zipped({"a/../../b.txt": "text"}), "has a path that leads out"),
    "zip-backslash": (zipped({"..\\b.txt": "text"}), "'../b.txt' in the zip has a path that leads out"),
    "zip-drive": (zipped({"C:/b.txt": "text"}), "has a path that leads out"),
    "zip-control-character": (zipped({"a\nb.txt": "text"}), "control characters"),
    "zip-false-size": (with_false_size(), "damaged"),
    "zip-false-checksum": (with_false_checksum(), "damaged"),
    "zip-of-too-many": (zipped({f"{number}.txt": "text" for number in range(51)}), "50 entries, this server's limit"),
    "zip-bomb": (zipped({"a.txt": "a" * 3_000_000}), "100 times its size"),
}


def left_behind(folder: Path) -> list[str]:
    return sorted(str(path) for name in ("staging", "datasets", "index") for path in (folder / name).iterdir())


@pytest.mark.parametrize(("content", "reason"), BAD.values(), ids=BAD.keys())
def test_what_is_no_dataset_is_refused_and_leaves_nothing(
    api: Caller, shared_data_dir: Path, content: bytes, reason: str
) -> None:
    answer = api.add("bad", content)

    assert answer.status_code == (413 if "more than" in reason else 400)
    assert reason in answer.json()["detail"]
    assert api.names() == []
    assert left_behind(shared_data_dir) == []


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (b"some text", "a.txt"),
        (b"\xef\xbb\xbfsome text", "with-a-byte-order-mark.txt"),
        (b"abc", "short.txt"),
        (b"PKI is short for public key infrastructure", "begins-like-a-zip.txt"),
        ("東京".encode(), "東京.txt"),
        (("x\u20ac" * 70_000).encode(), "large.txt"),
        (zipped({"a/b/c.txt": "deep", "empty.txt": "", "__MACOSX/._a": b"\0", "a/.DS_Store": b"\0"}), "tree.zip"),
        (zipped({"many.txt": "a line of text\n" * 5000}), "short-and-repetitive.zip"),
    ],
    ids=["text", "bom", "short", "pk", "cjk", "large", "zip", "repetitive"],
)
def test_text_and_a_zip_of_text_are_taken(api: Caller, content: bytes, filename: str) -> None:
    answer = api.add("good", content, filename)

    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "name": "good",
        "ok": True,
        "info": f"Stored {len(content)} bytes as dataset 'good'"
        + ("; left out: __MACOSX/._a, a/.DS_Store" if filename == "tree.zip" else ""),
    }
    assert api.delete("good").ok


def test_the_largest_file_is_taken(api: Caller) -> None:
    assert api.add("large", b"a" * MAX_UPLOAD).ok
    assert api.delete("large").ok


def test_a_zip_that_unpacks_to_too_much_is_refused(api: Caller, start: Start, call: Call, data_dir: Path) -> None:
    small = call(start(max_unpacked_bytes=5000))

    answer = small.add("large", zipped({"a.txt": "a" * 3000, "b.txt": "b" * 3000}))

    assert answer.status_code == 400
    assert "unpacks to more than 5000 bytes" in answer.json()["detail"]
    assert left_behind(data_dir) == []


def test_a_zip64_with_a_huge_directory_is_refused_unread(api: Caller) -> None:
    end64 = b"PK\x06\x06" + (44).to_bytes(8, "little") + bytes(12) + (10**9).to_bytes(8, "little") * 2
    end64 += (10**12).to_bytes(8, "little") * 2
    locator = b"PK\x06\x07" + bytes(16)
    end = b"PK\x05\x06" + bytes(4) + b"\xff" * 12 + bytes(2)

    answer = api.add("huge", b"PK\x03\x04" + bytes(100) + end64 + locator + end)

    assert answer.status_code == 400
    assert any(reason in answer.json()["detail"] for reason in ("damaged", "more than 50 entries"))


def test_the_name_of_a_dataset_is_made_safe_and_told(api: Caller, shared_data_dir: Path) -> None:
    answer = api.add("../../etc/shadow", "text", filename="../../../x.txt")

    assert answer.json()["name"] == "etc_shadow"
    assert api.names() == ["etc_shadow"]
    assert api.delete("etc_shadow").ok
    assert left_behind(shared_data_dir) == []


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\0"])
def test_a_name_that_is_none_is_refused(api: Caller, name: str) -> None:
    answer = api.add(name, "text")

    assert answer.status_code == 400
    assert "dataset_name" in answer.json()["detail"]
    assert api.names() == []


def test_a_description_is_taken_and_one_that_is_too_long_is_not(api: Caller) -> None:
    def send(description: str) -> requests.Response:
        data = {"dataset_name": "described", "dataset_description": description}
        return api.ask("POST", "/datasets", data=data, files={"file": ("a.txt", b"text")})

    assert send("x" * 1001).status_code == 400
    assert send("x" * 1000).status_code == 200
    assert api.delete("described").ok


def part(disposition: str, content: bytes = b"text") -> bytes:
    return b"--b\r\nContent-Disposition: form-data; " + disposition.encode() + b"\r\n\r\n" + content + b"\r\n"


NAME = part('name="dataset_name"', b"n")
FILE = part('name="file"; filename="a.txt"')
END = b"--b--\r\n"
FORM = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("application/json", b"{}", "must be multipart/form-data"),
        ("multipart/form-data", NAME + FILE + END, "must be multipart/form-data"),
        (FORM, b"", "truncated"),
        (FORM, NAME + FILE, "truncated"),
        (FORM, b"nonsense" * 10, "not well-formed"),
        (FORM, NAME + END, "no part named file"),
        (FORM, FILE + END, "no part named dataset_name"),
        (FORM, END, "no part named dataset_name and none named file"),
        (FORM, NAME + NAME + FILE + END, "two parts named 'dataset_name'"),
        (FORM, NAME + FILE + FILE + END, "two parts named 'file'"),
        (FORM, NAME + part('name="other"') + FILE + END, "a part named 'other'"),
        (FORM, part('name="dataset_name"', b"\xff") + FILE + END, "dataset_name is not UTF-8"),
        (FORM, part('name="dataset_name"', b"n" * 5000) + FILE + END, "more than 4096 bytes"),
        (FORM, NAME + part('name="file"', b"") + END, "file is empty"),
    ],
)
def test_a_body_that_is_no_upload_is_refused(
    api: Caller, shared_data_dir: Path, content_type: str, body: bytes, reason: str
) -> None:
    answer = api.ask("POST", "/datasets", data=body, headers={"Content-Type": content_type})

    assert answer.status_code == 400
    assert reason in answer.json()["detail"]
    assert left_behind(shared_data_dir) == []


def test_the_file_may_come_before_the_name(api: Caller) -> None:
    answer = api.ask("POST", "/datasets", data=FILE + NAME + END, headers={"Content-Type": FORM})

    assert answer.json()["name"] == "n"
    assert api.delete("n").ok


def test_a_body_is_understood_wherever_it_is_cut(api: Caller) -> None:
    body = NAME + FILE + END

    answer = api.ask(
        "POST", "/datasets", data=(body[at : at + 1] for at in range(len(body))), headers={"Content-Type": FORM}
    )

    assert answer.json()["name"] == "n"
    assert api.delete("n").ok


def test_a_name_that_is_taken_is_refused_before_the_file_is_read(api: Caller, shared_data_dir: Path) -> None:
    assert api.add("taken", "text").ok
    before = left_behind(shared_data_dir)

    answer = api.add("taken", b"\0 not even text")

    assert answer.status_code == 400
    assert "There is already a dataset 'taken': delete it first" in answer.json()["detail"]
    assert left_behind(shared_data_dir) == before
    assert api.delete("taken").ok


def test_of_many_uploads_of_one_name_at_once_one_wins(api: Caller, shared_data_dir: Path) -> None:
    def add(number: int) -> requests.Response:
        data = {"dataset_name": "contested"}
        return requests.post(
            f"{api.url}/datasets",
            data=data,
            files={"file": (f"{number}.txt", b"text " * 20_000)},
            headers={"X-Api-Key": "a-key"},
            timeout=30,
        )

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(add, range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] + 7 * [400]
    assert api.names() == ["contested"]
    assert len(left_behind(shared_data_dir)) == 1
    assert api.delete("contested").ok


def test_a_body_that_says_it_is_too_large_is_refused_unread(api: Caller) -> None:
    # The body that is announced never comes, so the connection is of no use afterwards.
    headers = {"Content-Type": FORM, "Content-Length": str(10**13), "Connection": "close"}

    answer = api.ask("POST", "/datasets", data=b"", headers=headers)

    assert answer.status_code == 413


def test_the_zip_of_bad_uploads_is_what_it_claims() -> None:
    assert zipfile.ZipFile(BytesIO(zipped(TEXT_FILE))).read("a.txt") == b"some text"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-32-be", "utf-8-sig"])
def test_a_text_with_a_byte_order_mark_is_read(api: Caller, encoding: str) -> None:
    mark = "\ufeff" if encoding.endswith(("be", "le")) else ""
    content = (mark + JAPANESE * 200 + RUSSIAN).encode(encoding)

    api.add_prepared("texts", content, "a.txt")
    api.add_prepared("packed", zipped({"b.txt": content}), "b.zip")

    for name in ("texts", "packed"):
        (chunk,) = api.chat("отходит", retrieval_dataset=name, retrieval_top_k=1).json()["retrieved_chunks"]
        assert "Паром отходит" in chunk["text"]
