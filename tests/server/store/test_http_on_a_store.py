"""What clients see of datasets and documents, on a server whose files and tables are in a store."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from reka.server.run import BackgroundServer

# All tests of these modules are run here once more, with the servers of this module.
from tests.server.http.test_documents import *  # noqa: F403 - see above
from tests.server.storage.test_datasets import *  # noqa: F403 - see above
from tests.support.object_store import Bucket, ObjectStoreServer
from tests.support.servers import SMALL_LIMITS, Start, run_server


@pytest.fixture(scope="module")
def shared(object_store: ObjectStoreServer, shared_data_dir: Path) -> Iterator[BackgroundServer]:
    """The server of these tests, as the others have it, on a store."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in object_store.environment().items():
            environment.setenv(name, value)
        bucket = Bucket(object_store, f"b{uuid4().hex}")
        with run_server(shared_data_dir, store_url=bucket.url, **SMALL_LIMITS) as server:
            yield server


@pytest.fixture
def start(start: Start, bucket: Bucket) -> Start:
    """Start servers, as the others have it, on a store."""
    return partial(start, store_url=bucket.url)
