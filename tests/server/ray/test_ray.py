"""`reka worker --ray` on a real cluster of two nodes; `make test-ray` installs Ray, which `make test` does without."""

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reka.server.retrieval.building.cluster import ClusterRows
from reka.server.retrieval.building.link import ClusterError
from reka.server.retrieval.embeddings import NoEmbedder
from reka.server.retrieval.tables import Tables, ask
from reka.server.store.tables import FolderTables
from reka.testing import FakeReka, answer
from reka.testing.connection import Connection
from tests.server.ray.conftest import Cluster, free_port
from tests.support.server_process import ServerProcess

pytest.importorskip("ray", reason="Ray is not installed: run `make test-ray`")
pytestmark = pytest.mark.prove

WORDS = (
    "the",
    "sea",
    "was",
    "calm",
    "and",
    "a",
    "lamp",
    "burned",
    "while",
    "an",
    "owl",
    "hunted",
    "over",
    "a",
    "harbour",
)
LONG = "\n\n".join(
    f"Entry {number}. " + " ".join(WORDS[(number * step) % len(WORDS)] for step in range(1, 150))
    for number in range(6000)
)
KEY = "the-embedders-key"


@pytest.fixture(autouse=True)
def at_once_on_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKA_SERVER_RAY_AFTER_SECONDS", "0")
    monkeypatch.setenv("EMBEDDER_KEY", KEY)


class Model:
    """A server of embeddings that can be held."""

    def __init__(self, fake: FakeReka) -> None:
        self._fake = fake
        self._may_go_on = threading.Event()
        self.is_held = threading.Event()
        self.holds_after = 0
        fake.otherwise = self._embed

    @property
    def options(self) -> tuple[str, ...]:
        return "--embedder", "upstream:small", "--embedder-url", self._fake.url, "--embedder-key-env", "EMBEDDER_KEY"

    @property
    def keys(self) -> set[str]:
        return {request.headers["authorization"] for request in self._fake.requests}

    def go_on(self) -> None:
        self._may_go_on.set()

    def _embed(self, connection: Connection) -> None:
        if self.holds_after and len(self._fake.requests) > self.holds_after:
            self.is_held.set()
            self._may_go_on.wait(60)
        texts = connection.recorded.json["input"]
        data = [{"index": place, "embedding": vector(text)} for place, text in enumerate(texts)]
        answer(200, {"data": data})(connection)


def vector(text: str) -> list[int]:
    return list(hashlib.sha256(text.encode()).digest())


@pytest.fixture
def model(fake: FakeReka) -> Iterator[Model]:
    model = Model(fake)
    yield model
    model.go_on()


@contextmanager
def worker(data_dir: Path, *options: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "reka.cli", "worker", "--data-dir", str(data_dir), *options])
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(30) == 0


@contextmanager
def started_job(data_dir: Path) -> Iterator[tuple[Any, str]]:
    process = ServerProcess(data_dir, no_worker=True)
    try:
        process.api.add("log", LONG)
        yield process.api, process.api.prepare("log").json()
    finally:
        process.end()


def prepare(data_dir: Path, *options: str) -> Any:
    with started_job(data_dir) as (api, job), worker(data_dir, *options):
        assert await_end(api, job)["job_status"] == "COMPLETE"
    return rows_of(data_dir)


def await_end(api: Any, job: str) -> dict[str, Any]:
    while (status := api.status(job))["job_status"] not in {"COMPLETE", "ERROR"}:
        threading.Event().wait(0.2)
    return dict(status)


def rows_of(data_dir: Path) -> Any:
    """Return the rows of the only table."""
    (name,) = FolderTables(data_dir / "index").names()
    tables = Tables(FolderTables(data_dir / "index"))
    table = tables.open(tables.latest(name))
    return ask(table.source.query().limit(table.chunks).to_arrow())


@pytest.mark.parametrize("embedder", ["wordllama", "none"])
def test_a_cluster_makes_the_rows_that_a_worker_makes(tmp_path: Path, cluster: Cluster, embedder: str) -> None:
    here = prepare(tmp_path / "here", "--embedder", embedder)
    there = prepare(tmp_path / "there", "--embedder", embedder, "--ray", cluster.address)

    assert len(there) > 5000
    assert there.schema.equals(here.schema, check_metadata=True)
    assert there.equals(here)


def test_a_node_that_dies_costs_no_row_and_nodes_embed_as_the_worker_is_set_to(
    tmp_path: Path, start_cluster: Callable[[int], Cluster], model: Model
) -> None:
    cluster = start_cluster(free_port())
    model.holds_after = 8
    with started_job(tmp_path) as (api, job), worker(tmp_path, *model.options, "--ray", cluster.address):
        assert model.is_held.wait(120)
        cluster.kill_node(1)
        model.go_on()
        status = await_end(api, job)

    assert status["job_status"] == "COMPLETE"
    rows = rows_of(tmp_path)
    assert rows.schema.metadata[b"reka:embedder"] == b"upstream:small"
    assert rows["vector"].type.list_size == len(vector(""))
    assert len(set(rows["id"].to_pylist())) == len(rows) > 5000
    assert model.keys == {f"Bearer {KEY}"}


def test_a_job_waits_for_a_cluster_that_dies_and_goes_on_when_it_is_back(
    tmp_path: Path, start_cluster: Callable[[int], Cluster], model: Model
) -> None:
    port = free_port()
    cluster = start_cluster(port)
    model.holds_after = 8
    with started_job(tmp_path) as (api, job), worker(tmp_path, *model.options, "--ray", cluster.address):
        assert model.is_held.wait(120)
        cluster.end()
        model.go_on()
        while not any("tried again" in line["detail"] for line in api.status(job)["history"]):
            threading.Event().wait(0.2)
        start_cluster(port)
        status = await_end(api, job)

    assert status["job_status"] == "COMPLETE"
    assert "the Ray cluster cannot be used" in " ".join(line["detail"] for line in status["history"])
    assert len(rows_of(tmp_path)) > 5000


def test_a_cluster_that_is_not_there_is_waited_for_so_long() -> None:
    with pytest.raises(ClusterError, match="no answer within 5 s"):
        ClusterRows(f"127.0.0.1:{free_port()}", start_seconds=5).check(NoEmbedder())


def test_a_worker_says_what_is_wrong_with_an_address(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reka.cli", "worker", "--data-dir", str(tmp_path), "--ray", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "ray: the Ray cluster at nowhere" in done.stderr
