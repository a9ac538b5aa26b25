"""The embedder of each table: recorded with it, and possibly not to be had on this machine."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reka.server.retrieval.embedders.wordllama import WORDLLAMA
from reka.server.retrieval.embeddings import NO_EMBEDDER, UPSTREAM, Embedder, EmbeddingError, NoEmbedder
from reka.server.retrieval.terms import plain
from reka.server.telemetry.spans import embedding_span

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Vectors

logger: Final = logging.getLogger(__name__)

_KEY: Final = b"reka:embedder"
"""Key of the name in the metadata of a table's schema; tables that have none are of the time of wordllama alone."""


@dataclass(frozen=True, slots=True)
class TableEmbedder:
    """What embedded a table's chunks."""

    name: str
    """Its name; `none` if the table has no vectors."""

    embedder: Embedder | None
    """None if the table has no vectors, or if its embedder is not to be had: it is searched by keywords."""

    def __str__(self) -> str:
        """Name it, and say if the table's vectors cannot be used."""
        is_missing = self.embedder is None and self.name != NO_EMBEDDER
        return f"{self.name} (not on this machine: searched by keywords alone)" if is_missing else self.name

    def embedded(self, query: str) -> "Vectors | None":
        """Embed a query; None if that is not possible, which is logged."""
        try:
            if self.embedder is None:
                return None
            with embedding_span(self.name.removeprefix(f"{UPSTREAM}:"), getattr(self.embedder, "url", None)):
                vector: Vectors = self.embedder.embed([plain(query)])[0]
            return vector
        except EmbeddingError as error:
            logger.warning("searching by keywords alone: %s", error)
            return None


class RecordedEmbedders:
    """Finds the embedders of tables. Safe to share between threads."""

    def __init__(self, default: Embedder, find: Callable[[str], Embedder | None]) -> None:
        """Create it.

        Args:
            default: Embedder of new tables.
            find: Makes an embedder of a name; None for one that is not to be had.
        """
        self._find = find
        self._lock = threading.Lock()
        self._found: dict[str, Embedder | None] = {NO_EMBEDDER: None}
        if default.name != NO_EMBEDDER:
            self._found[default.name] = default

    def of(self, name: str) -> TableEmbedder:
        """Return the embedder of a name. One that is not to be had is logged once."""
        with self._lock:
            if name not in self._found:
                self._found[name] = self._find(name)
                if self._found[name] is None:
                    logger.warning("embedder %s is not on this machine: its datasets are searched by keywords", name)
            return TableEmbedder(name, self._found[name])

    def writer_of(self, schema: Any) -> Embedder:
        """Return what embeds new chunks of a table.

        If its embedder is not to be had, their vectors are zero: words alone find them.
        """
        name = recorded_name(schema)
        found = self.of(name).embedder
        if found is not None:
            return found
        return NoEmbedder(name, schema.field("vector").type.list_size if "vector" in schema.names else 0)


def recorded_name(schema: Any) -> str:
    """Read the name of a table's embedder from its schema."""
    name: bytes = (schema.metadata or {}).get(_KEY, WORDLLAMA.encode())
    return name.decode()


def record(rows: Any, name: str) -> Any:
    """Write the name of an embedder into the metadata of an Arrow table's schema."""
    return rows.replace_schema_metadata({_KEY: name})
