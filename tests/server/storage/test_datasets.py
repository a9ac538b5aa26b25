import pytest

import reka
from tests.support.archives import zipped
from tests.support.caller import Caller
from tests.support.servers import Call, Start


def test_datasets_are_listed_by_name(api: Caller) -> None:
    for name in ("b", "a", "ä"):
        assert api.add(name, "text").ok

    assert api.names() == ["a", "b", "ä"]
    for name in ("b", "a", "ä"):
        assert api.delete(name).json() == {"name": name, "ok": True, "info": f"Deleted dataset {name!r}"}
    assert api.names() == []


@pytest.mark.parametrize("name", ["none", "..", "%2e%2e", "a%2Fb", "%00", "x" * 300, "' OR 1=1 --"])
def test_what_is_not_there_cannot_be_deleted_or_prepared(api: Caller, name: str) -> None:
    for answer in (api.delete(name), api.prepare(name)):
        assert answer.status_code in (404, 405)
        assert isinstance(answer.json()["detail"], str)


def test_a_missing_dataset_is_named(api: Caller) -> None:
    assert "no dataset 'none'" in api.delete("none").json()["detail"]


def test_each_key_sees_its_own_datasets_and_jobs_only(start: Start, call: Call) -> None:
    server = start()
    mine, other = call(server, "my-key"), call(server, "other-key")
    mine.add_prepared("notes", "my secret is 42")
    other.add_prepared("notes", "quite another text")
    job = mine.prepare("notes")

    assert [chunk["text"] for chunk in mine.chunks("secret text", "notes")] == ["my secret is 42"]
    assert [chunk["text"] for chunk in other.chunks("secret text", "notes")] == ["quite another text"]
    assert job.status_code == 400
    assert other.delete("notes").ok
    assert other.names() == []
    assert mine.names() == ["notes"]
    assert other.chat("secret", retrieval_dataset="notes").status_code == 404


def test_a_job_of_another_key_is_unknown(start: Start, call: Call) -> None:
    server = start()
    mine, other = call(server, "my-key"), call(server, "other-key")
    assert mine.add("notes", "text").ok
    job = mine.prepare("notes").json()

    answer = other.ask("GET", f"/jobs/prepare-retrieval/{job}/status")

    assert answer.status_code == 404
    assert answer.json()["detail"] == f"There is no job '{job}' of this API key"


def test_a_new_dataset_of_an_old_name_has_nothing_of_the_old_one(start: Start, call: Call) -> None:
    api = call(start())
    api.add_prepared("notes", "the old text")
    assert api.delete("notes").ok
    assert api.add("notes", "the new text").ok

    unprepared = api.chat("text", retrieval_dataset="notes")
    assert api.await_end(api.prepare("notes").json())["job_status"] == "COMPLETE"

    assert unprepared.status_code == 400
    assert [chunk["text"] for chunk in api.chunks("text", "notes")] == ["the new text"]


@pytest.mark.parametrize("max_name_chars", [18, 40, 255])
def test_a_client_finds_the_dataset_of_its_texts_whatever_length_of_names_the_server_takes(
    start: Start, max_name_chars: int
) -> None:
    server = start(max_name_chars=max_name_chars)
    name = "the minutes of the board, " * 5

    with reka.Reka("a-key", server.url) as client:
        first = client.ensure_dataset(name, texts=["The owl hunts at night."])
        again = client.ensure_dataset(name, texts=["The owl hunts at night."])
        other = client.ensure_dataset(name, texts=["Another text altogether."])
        stored = client.list_datasets()

    assert first == again != other
    assert stored == sorted([first, other])
    assert len(first) <= max_name_chars


def test_chunks_of_a_zip_name_their_files_and_those_of_a_text_name_theirs(start: Start, call: Call) -> None:
    api = call(start())
    api.add_prepared("zip", zipped({"pets/cat.txt": "A cat meows.", "pets/dog.txt": "A dog barks."}), "pets.zip")
    api.add_prepared("text", b"\xef\xbb\xbfA cow moos.", "C:\\farm\\cow.txt")

    assert api.chunks("cat meows", "zip", k=1)[0]["source"] == "pets/cat.txt"
    found = api.chunks("cow moos", "text")
    assert [(chunk["source"], chunk["text"]) for chunk in found] == [("cow.txt", "A cow moos.")]


def test_a_zip_that_does_not_say_its_names_are_utf_8_shows_them_right(start: Start, call: Call) -> None:
    api = call(start())
    packed = bytearray(zipped({"grüße.txt": "hello"}))
    for at in (6, packed.index(b"PK\x01\x02") + 8):
        packed[at + 1] &= ~0x08

    api.add_prepared("zip", bytes(packed), "a.zip")

    assert api.chunks("hello", "zip")[0]["source"] == "grüße.txt"
