"""Servers whose files and tables are in an object store."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lancedb
import pytest

from reka.server.errors import StartError
from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from tests.support.archives import zipped
from tests.support.embedders import WordEmbedder
from tests.support.object_store import Bucket, ObjectStoreServer
from tests.support.servers import NOTES, Call

StartShared = Callable[..., BackgroundServer]


@pytest.fixture
def start_shared(tmp_path: Path, bucket: Bucket) -> Iterator[StartShared]:
    """Start servers, each on a data folder of its own, that share a database and a bucket."""
    servers = []

    def start_shared(name: str = "a", **settings: Any) -> BackgroundServer:
        given: dict[str, Any] = {
            "port": 0,
            "data_dir": tmp_path / name,
            "database_url": f"sqlite:///{tmp_path / 'shared.sqlite'}",
            "store_url": bucket.url,
            **settings,
        }
        servers.append(BackgroundServer(Settings(**given), embedder=WordEmbedder()))
        return servers[-1]

    yield start_shared
    for server in servers:
        server.stop()


def test_what_one_server_stores_all_of_them_serve(start_shared: StartShared, call: Call, bucket: Bucket) -> None:
    first, second = call(start_shared("a")), call(start_shared("b"))

    first.add_prepared("notes", NOTES)
    first.put("birds", [{"id": "owl", "text": "The owl hunts."}])

    assert second.names() == ["birds", "notes"]
    assert "12 eggs" in second.chunks("How many eggs does the hen lay?", "notes", k=1)[0]["text"]
    assert second.search("birds", "owl")[0]["document_id"] == "owl"
    assert bucket.kinds() == {"files": 1, "tables": 2}


def test_a_deleted_dataset_leaves_nothing_in_the_store(start_shared: StartShared, call: Call, bucket: Bucket) -> None:
    first, second = call(start_shared("a")), call(start_shared("b"))
    first.add_prepared("notes", NOTES)
    assert second.chunks("owl", "notes")

    assert second.delete("notes").ok

    assert first.names() == []
    assert first.chat("owl", retrieval_dataset="notes").status_code == 404
    assert bucket.objects() == ["reka-store.json"]


def test_a_change_that_one_server_makes_is_found_by_another(start_shared: StartShared, call: Call) -> None:
    first, second = call(start_shared("a")), call(start_shared("b"))
    first.add_prepared("files", zipped({"owl.txt": "The owl hunts.", "hen.txt": "The hen lays."}), "files.zip")
    assert len(second.search("files", "owl hen hunts lays")) == 2

    first.remove("files", ids=["owl.txt"])
    first.put("files", [{"id": "rook", "text": "The rook calls."}])

    found = second.search("files", "owl hen rook", mode="keyword")
    assert sorted(chunk["document_id"] for chunk in found) == ["hen.txt", "rook"]


def test_a_large_dataset_that_is_changed_in_place_is_found_as_changed(start_shared: StartShared, call: Call) -> None:
    first, second = call(start_shared("a")), call(start_shared("b"))
    first.put("log", [{"id": f"d{number}", "text": f"Entry {number} of the log."} for number in range(4200)])
    assert second.search("log", "entry 4100 log", k=1)[0]["document_id"] == "d4100"

    first.put("log", [{"id": "owl", "text": "The owl hunts."}])
    first.remove("log", ids=["d4100"])

    assert second.search("log", "owl", k=1)[0]["document_id"] == "owl"
    assert second.search("log", "4100", mode="keyword") == []


def test_a_query_that_was_asked_before_takes_no_request_to_the_store(
    start_shared: StartShared, call: Call, bucket: Bucket
) -> None:
    first, second = call(start_shared("a")), call(start_shared("b"))
    first.add_prepared("notes", NOTES)
    assert second.search("notes", "owl")
    bucket.server.requests.clear()

    found = [api.search("notes", query) for api in (first, second) for query in ("hen", "mill owl", "eggs")]

    assert all(found)
    assert bucket.server.requests == []


def test_lancedb_opens_the_tables_where_they_are(start_shared: StartShared, call: Call, bucket: Bucket) -> None:
    call(start_shared()).add_prepared("notes", NOTES)

    (name,) = {key.split("/")[1].removesuffix(".lance") for key in bucket.objects() if key.startswith("index/")}
    table = lancedb.connect(f"{bucket.url}/index").open_table(name)

    assert "12 eggs" in table.search().limit(10).to_list()[0]["passage"]


def test_a_table_that_exceeds_the_cache_is_searched_in_the_store(start_shared: StartShared, call: Call) -> None:
    first = call(start_shared("a"))
    first.add_prepared("notes", NOTES)
    second = call(start_shared("b", cache_bytes=1000))

    assert "12 eggs" in second.search("notes", "How many eggs does the hen lay?", k=1)[0]["text"]
    assert second.search("notes", "owl", k=1) == first.search("notes", "owl", k=1)


def test_a_server_finds_its_data_again_after_its_folder_is_lost(start_shared: StartShared, call: Call) -> None:
    first = start_shared("a")
    call(first).add_prepared("notes", NOTES)
    first.stop()

    assert call(start_shared("new")).search("notes", "hen")


def test_a_shared_folder_is_a_store_too(start_shared: StartShared, call: Call, tmp_path: Path) -> None:
    first, second = (call(start_shared(name, store_url=f"file://{tmp_path}/store")) for name in ("a", "b"))
    first.add_prepared("notes", NOTES)

    assert second.search("notes", "hen")
    assert second.delete("notes").ok
    assert [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()] == ["reka-store.json"]


def test_a_database_with_another_store_is_refused(
    start_shared: StartShared, object_store: ObjectStoreServer, bucket: Bucket
) -> None:
    start_shared("a")
    other = Bucket(object_store, f"{bucket.name}-other")

    with pytest.raises(StartError, match="store_url: the files of the database's datasets are in another store"):
        start_shared("b", store_url=other.url)
    assert other.objects() == []


def test_a_store_with_another_database_is_refused(start_shared: StartShared, tmp_path: Path) -> None:
    start_shared("a")

    with pytest.raises(StartError, match=r"store_url: s3://.* has the files of another database's datasets"):
        start_shared("b", database_url=f"sqlite:///{tmp_path / 'other.sqlite'}")


def test_a_store_is_known_by_its_id_and_not_by_its_address(
    start_shared: StartShared, call: Call, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(start_shared("a")).add_prepared("notes", NOTES)
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.server.url.replace("127.0.0.1", "localhost"))

    assert call(start_shared("b", store_url=f"{bucket.url}/")).search("notes", "owl")


def test_a_database_whose_files_are_in_a_store_does_not_start_without_it(start_shared: StartShared) -> None:
    start_shared("a").stop()

    with pytest.raises(StartError, match="give its URL"):
        start_shared("a", store_url=None)


def test_a_data_folder_with_datasets_does_not_start_with_a_store(start_shared: StartShared, call: Call) -> None:
    server = start_shared("a", store_url=None, database_url=None)
    assert call(server).add("notes", NOTES).ok
    server.stop()

    with pytest.raises(StartError, match="move them by `reka backup` and `reka restore`"):
        start_shared("a", database_url=None)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://bucket/x", "want s3://BUCKET/PREFIX"),
        ("s3://", "want the name of a bucket"),
        ("s3://id:a-secret@bucket/x", "want no user, key or query"),
        ("az://container/x?sig=a-secret", "want no user, key or query"),
        ("file://shared/folder", "want file:// and the absolute path"),
        ("s3://bucket/a/../b", "want a prefix without"),
    ],
)
def test_a_url_of_no_store_is_refused_without_being_repeated(start_shared: StartShared, url: str, problem: str) -> None:
    with pytest.raises(StartError, match="store_url: ") as refused:
        start_shared(store_url=url)

    assert problem in str(refused.value)
    assert "a-secret" not in str(refused.value)


def test_a_store_that_is_not_there_is_named_and_its_keys_are_not(
    start_shared: StartShared, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StartError, match="store_url: s3://nowhere/reka does not answer, or refuses") as refused:
        start_shared(store_url="s3://nowhere/reka")

    assert "NoSuchBucket" in caplog.text
    assert "a-secret" not in caplog.text + str(refused.value)
