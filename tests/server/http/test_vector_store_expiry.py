"""Files and vector stores that expire: when they do, and what is gone with them."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support.servers import Call, Start
from tests.support.vector_stores import find, read, store_of, upload

HEN = "The hen of the farm lays 12 eggs."
DAY = 86_400


def test_what_expires_is_gone_with_all_that_it_has(start: Start, call: Call, data_dir: Path) -> None:
    server = start()
    api = call(server)
    lifetime = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    file = upload(api, HEN, **lifetime).json()["id"]
    stays = store_of(api, "stays", file)["id"]
    goes = store_of(api, "goes", expires_after={"anchor": "last_active_at", "days": 1})
    assert goes["expires_at"] == goes["last_active_at"] + DAY
    server.stop()
    _make_older(data_dir, 2 * DAY)

    api = call(start())

    assert read(api, "/v1/files")["data"] == []
    assert [store["id"] for store in read(api, "/v1/vector_stores")["data"]] == [stays]
    assert read(api, f"/v1/vector_stores/{stays}")["file_counts"]["total"] == 0
    assert api.names() == ["stays"]


def test_a_use_moves_the_expiry_of_a_vector_store(start: Start, call: Call, data_dir: Path) -> None:
    server = start()
    expiry = {"anchor": "last_active_at", "days": 3}
    new = store_of(call(server), "notes", expires_after=expiry)
    server.stop()
    _make_older(data_dir, 2 * DAY)

    api = call(start())
    old = read(api, f"/v1/vector_stores/{new['id']}")
    find(api, new["id"], "hen")
    used = read(api, f"/v1/vector_stores/{new['id']}")

    assert old["expires_at"] == new["expires_at"] - 2 * DAY
    assert used["expires_at"] == used["last_active_at"] + 3 * DAY >= new["expires_at"]


def _make_older(data_dir: Path, seconds: int) -> None:
    """Move the times of uses and expiries into the past, as if so much time had gone by."""
    with closing(sqlite3.connect(data_dir / "reka.sqlite")) as connection, connection:
        connection.execute("UPDATE files SET expires = expires - ?", [seconds])
        connection.execute(
            "UPDATE vector_stores SET expires = expires - ?, last_active = last_active - ?", [seconds, seconds]
        )
