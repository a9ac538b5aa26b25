"""What clients see of datasets and documents, on a server whose files and tables are in a store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from tests.server.http.test_documents import *  # noqa: F403
from tests.server.storage.test_datasets import *  # noqa: F403
from tests.support.embedders import WordEmbedder
from tests.support.object_store import Bucket, ObjectStoreServer
from tests.support.servers import MAX_UPLOAD, Start


@pytest.fixture(scope="module")
def shared(object_store: ObjectStoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundServer]:
    """The server of these tests, as the others have it, on a store."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in object_store.environment().items():
            environment.setenv(name, value)
        bucket = Bucket(object_store, f"b{uuid4().hex}")
        settings = Settings(
            port=0,
            data_dir=tmp_path_factory.mktemp("shared"),
            store_url=bucket.url,
            max_upload_bytes=MAX_UPLOAD,
            max_unpacked_bytes=4_000_000,
            max_zip_entries=50,
            max_body_bytes=100_000,
            max_description_bytes=1000,
        )
        server = BackgroundServer(settings, embedder=WordEmbedder())
        yield server
        server.stop()


@pytest.fixture
def start(data_dir: Path, bucket: Bucket) -> Iterator[Start]:
    """Start servers, as the others have it, on a store."""
    servers = []

    def start(embedder: Any = None, **settings: Any) -> BackgroundServer:
        given: dict[str, Any] = {"port": 0, "data_dir": data_dir, "store_url": bucket.url, **settings}
        servers.append(BackgroundServer(Settings(**given), embedder=embedder or WordEmbedder()))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
