"""Rows that are made on a Ray cluster, for which a stand-in stands here; `tests/server/ray` has a real one."""

import importlib
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reka.server.faults import describe_fault, is_transient
from reka.server.retrieval.building.cluster import MAX_TASKS, TASK_BATCHES, TASKS_PER_PLACE, ClusterRows
from reka.server.retrieval.building.driver import places_of
from reka.server.retrieval.building.link import ClusterError
from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.embedders.choice import make_embedder
from reka.server.retrieval.embedders.upstream import UpstreamEmbedder
from reka.server.retrieval.embeddings import EmbeddingError
from reka.server.retrieval.entries import entries
from reka.server.retrieval.index import Index
from reka.server.retrieval.tables import ask
from reka.testing import FakeReka
from tests.support.embedders import WordEmbedder
from tests.support.peers import ROOT
from tests.support.server_process import processes

CORES = 2
"""Of the stand-in."""

CHUNKS = [
    Chunk(f"Entry {number}: the owl saw lamp {number % 97}.", f"log-{number // 40}.md", number, document=number // 40)
    for number in range(5000)
]


class RemoteEmbedder(WordEmbedder):
    """Embeds in its copies alone."""

    def embed(self, texts: Any) -> Any:
        raise AssertionError("it is not embedded on the cluster")

    def __reduce__(self) -> Any:
        return WordEmbedder, ()


class BrokenEmbedder(WordEmbedder):
    def embed(self, texts: Any) -> Any:
        raise EmbeddingError("the model has gone")


class AbsentEmbedder(WordEmbedder):
    def __reduce__(self) -> Any:
        return importlib.import_module, ("a_package_that_nodes_lack",)


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "tests/support/stand_ins")


def stored(index: Index) -> Any:
    at = index.build("chunks", CHUNKS).at
    return ask(index._tables.open(at).source.query().limit(len(CHUNKS) + 1).to_arrow())


def build(folder: Path, address: str, embedder: WordEmbedder, check: Any = None) -> None:
    rows = ClusterRows(address, local_seconds=0, start_seconds=20)
    Index(folder, embedder, row_maker=rows).build("chunks", CHUNKS, check)


def drivers() -> list[int]:
    return [pid for pid, (parent, command) in processes().items() if parent == os.getpid() and "ray driver" in command]


@pytest.mark.parametrize("seconds", [0, 0.05])
def test_a_table_is_the_same_with_a_cluster_and_without_one(tmp_path: Path, seconds: float) -> None:
    here = stored(Index(tmp_path / "here", WordEmbedder()))
    there = stored(Index(tmp_path / "there", WordEmbedder(), row_maker=ClusterRows("there", seconds)))

    assert len(there) == len(CHUNKS)
    assert there.schema.equals(here.schema, check_metadata=True)
    assert there.equals(here)


def test_chunks_are_embedded_on_the_cluster_after_a_time_and_what_is_small_never_is(tmp_path: Path) -> None:
    build(tmp_path / "there", "there", RemoteEmbedder())
    small = Index(tmp_path / "here", WordEmbedder(), row_maker=ClusterRows("there?refuses"))

    assert small.build("chunks", CHUNKS[:50]).total == 50


def test_no_more_is_read_than_the_cluster_can_work_on() -> None:
    read = made = most = 0

    def batches() -> Iterator[Any]:
        nonlocal read, most
        for entry in entries(CHUNKS[:300]):
            read += 1
            most = max(most, read - made)
            yield [entry]

    for _ in ClusterRows("there", 0).rows(batches(), WordEmbedder(), lambda: None):
        made += 1

    assert made == 300
    assert most <= (CORES * TASKS_PER_PLACE + 1) * TASK_BATCHES
    assert CORES * TASKS_PER_PLACE < MAX_TASKS


@pytest.mark.parametrize(
    ("address", "embedder", "problem"),
    [
        ("there?refuses", WordEmbedder(), "ConnectionError: no cluster here"),
        ("there?dies=3", WordEmbedder(), "it has gone"),
        ("there?old", WordEmbedder(), "a node has reka"),
        ("there", AbsentEmbedder(), "a_package_that_nodes_lack"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_a_fault_that_can_pass(
    tmp_path: Path, address: str, embedder: WordEmbedder, problem: str
) -> None:
    with pytest.raises(ClusterError, match=problem) as caught:
        build(tmp_path, address, embedder)

    assert is_transient(caught.value)
    assert describe_fault(caught.value) == "the Ray cluster cannot be used"
    assert not drivers()
    assert not list(tmp_path.iterdir())


def test_a_task_has_a_core_and_the_gpus_that_are_set() -> None:
    resources = {"CPU": 16.0, "GPU": 2.0}

    assert [places_of(resources, gpus) for gpus in (0, 1, 2, 0.5, 0.1)] == [16, 2, 1, 4, 16]
    assert places_of({}, 0) == 1
    with pytest.raises(ClusterError, match="got 1 GPUs for a task, and it has 0"):
        ClusterRows("there", gpus=1).check(WordEmbedder())


def test_a_cluster_that_does_not_answer_is_waited_for_so_long() -> None:
    with pytest.raises(ClusterError, match=r"there\?silent: no answer within 1 s"):
        ClusterRows("there?silent", start_seconds=1).check(WordEmbedder())

    assert not drivers()


def test_what_the_embedder_raises_on_the_cluster_is_raised_here(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match="the model has gone"):
        build(tmp_path, "there", BrokenEmbedder())


def test_a_build_that_is_stopped_ends_its_driver_at_once_also_while_it_waits(tmp_path: Path) -> None:
    def stop(_: int) -> None:
        if drivers():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, "there?silent", WordEmbedder(), stop)

    assert not drivers()


def test_each_embedder_is_sent_as_its_settings(fake: FakeReka) -> None:
    for choice in ("none", "wordllama", "universal-sentence-encoder"):
        embedder = make_embedder(choice)
        pickled = pickle.dumps(embedder)
        copy = pickle.loads(pickled)

        assert (copy.name, copy.dimensions) == (embedder.name, embedder.dimensions)
        assert (copy.embed(["An owl."]) == embedder.embed(["An owl."])).all()
        assert len(pickled) < 200

    fake.will_answer(200, {"data": [{"index": 0, "embedding": [0.0, 2.0]}]})
    upstream = pickle.loads(pickle.dumps(UpstreamEmbedder(f"{fake.url}/v1", "small", "the-key")))

    assert upstream.name == "upstream:small"
    assert upstream.embed(["An owl."]).tolist() == [[0.0, 1.0]]
    assert fake.requests[-1].headers["authorization"] == "Bearer the-key"
    assert fake.requests[-1].path == "/v1/embeddings"
