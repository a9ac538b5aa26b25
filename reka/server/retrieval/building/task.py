"""What a node of a Ray cluster does for a worker: it makes the rows of some batches. This package is installed there.

Embedders come pickled, as their settings alone; each process of the cluster loads a model once.
"""

import os
import pickle
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from reka._version import __version__
from reka.server.retrieval.building.rows import rows_of, terms_of
from reka.server.retrieval.embeddings import Embedder

Answer: TypeAlias = tuple[Literal["rows"], bytes] | tuple[Literal["error"], Exception] | tuple[Literal["fault"], str]
"""What the node has come to: rows as an Arrow stream, what the embedder has raised, or what the node lacks."""

# Ray limits the threads of a task by this variable alone, and tokenizers take all cores.
os.environ.setdefault("RAYON_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))


def make_rows(version: str, embedder: bytes, batches: bytes) -> bytes:
    """Make the rows of batches.

    Args:
        version: Release of the worker, which must be the one that is installed here.
        embedder: The embedder, pickled.
        batches: A list of batches, pickled.

    Returns:
        An `Answer`, pickled, which needs none of what this node may lack.
    """
    return pickle.dumps(_answer(version, embedder, batches), pickle.HIGHEST_PROTOCOL)


def _answer(version: str, embedder: bytes, batches: bytes) -> Answer:
    if version != __version__:
        return "fault", f"a node has reka {__version__}, and this worker is of reka {version}: install the same release"
    try:
        load = _embedder(embedder)
        return "rows", _stream([rows_of(batch, terms_of(batch), load) for batch in pickle.loads(batches)])  # noqa: S301
    except ImportError as error:
        return "fault", f"a node lacks a package ({error}): install there what this worker has"
    except Exception as error:  # noqa: BLE001  # raised in the worker
        return "error", error


@lru_cache(maxsize=4)
def _embedder(pickled: bytes) -> Embedder:
    embedder: Embedder = pickle.loads(pickled)  # noqa: S301  # a worker sends it to its own cluster
    return embedder


def _stream(batches: list[Any]) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream
