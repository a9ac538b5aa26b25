"""The LanceDB tables of an index: written by one thread, read at a fixed version by any number."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from reka.server.faults import is_transient
from reka.server.retrieval.embedders.recorded import recorded_name
from reka.server.store.tables import Location, TableHome

T = TypeVar("T")

logger: Final = logging.getLogger(__name__)

OPEN_TABLES: Final = 256
"""Tables that are kept open, those opened last (ours)."""

OPEN_DATABASES: Final = 8
"""Connections to folders of tables that are kept open; the tables of one share LanceDB's caches (ours)."""

READ_CHUNKS: Final = 8192
"""Chunks of a table that are copied at a time (ours)."""


MAIN_SHARE: Final = 0.1
"""Share of the chunks from which a language is one of those that a table is asked in (ours)."""


@dataclass(frozen=True, slots=True)
class TableVersion:
    """A table as one commit left it: what is written to the table later is not seen in it."""

    table: str
    version: int


@dataclass(frozen=True, slots=True)
class OpenTable:
    """A version of a table, and what every search needs to know of it."""

    source: Any
    """LanceDB's asynchronous table, whose queries `ask` waits for."""
    languages: tuple[str | None, ...]
    """The languages of its chunks, that of most first."""
    main_languages: tuple[str | None, ...]
    """Those of a tenth of its chunks at least."""
    chunks: int
    embedder: str
    """Name of what embedded them."""
    dimensions: int
    """Length of their vectors; 0 if they have none."""


def ask(answer: Coroutine[Any, Any, T]) -> T:
    """Wait for an answer of LanceDB's asynchronous functions; its others change threads several times for a query."""
    from lancedb.background_loop import LOOP

    return LOOP.run(answer)  # type: ignore[no-any-return]  # it has no annotations


class Tables:
    """The tables of an index. Safe to share between threads, as long as one of them writes to a table."""

    def __init__(self, home: TableHome) -> None:
        """Open tables where `home` has them."""
        self._home = home
        self._lock = threading.Lock()
        self._look_lock = threading.Lock()
        """Who looks a table through has it: another one would delete the copy that is read."""
        self._databases: dict[tuple[str, bool], Any] = {}
        # Each method of it is one step for all threads, which `next(iter(...))` of a dictionary is not.
        self._open: OrderedDict[str, tuple[int, OpenTable]] = OrderedDict()
        home.on_drop = lambda name: self._open.pop(name, None)

    def open(self, at: TableVersion) -> OpenTable:
        """Open a version of a table for reading.

        Raises:
            Exception: It cannot be read.
        """
        self._home.use(at.table)  # first: what is open after that stays readable
        version, table = self._open.get(at.table, (None, None))
        if table is None or version != at.version:
            location = self._home.reading(at.table, at.version)
            source = ask(_open(self._connect(location, asynchronous=True), at))
            chunks = ask(source.count_rows())
            column = ask(source.query().select(["language"]).limit(chunks).to_arrow())["language"]
            counts = sorted(column.value_counts().to_pylist(), key=lambda entry: -entry["counts"])
            languages = tuple(entry["values"] for entry in counts) or (None,)
            main = tuple(entry["values"] for entry in counts if entry["counts"] >= MAIN_SHARE * len(column))
            schema = ask(source.schema())
            dimensions = schema.field("vector").type.list_size if "vector" in schema.names else 0
            table = OpenTable(source, languages, main, len(column), recorded_name(schema), dimensions)
            self._open[at.table] = (at.version, table)
            if len(self._open) > OPEN_TABLES:
                self._open.popitem(last=False)
        return table

    def is_intact(self, at: TableVersion) -> bool:
        """Read a version of a table through, as it is on the disk; tell whether nothing of it is lost or damaged.

        Raises:
            Exception: A fault that can pass.
        """
        with self._look_lock:
            self._open.pop(at.table, None)
            try:
                self._home.forget(at.table)
                self._look_through(at)
            except Exception as error:
                if is_transient(error):
                    raise
                return False
            return True

    def _look_through(self, at: TableVersion) -> None:
        import lancedb
        from lancedb.query import MatchQuery

        location = self._home.reading(at.table, at.version)
        source = lancedb.connect(location.uri, storage_options=location.options).open_table(at.table)
        source.checkout(at.version)
        for _ in source.search().limit(source.count_rows()).to_batches(READ_CHUNKS):
            pass
        match = MatchQuery("a", "terms")  # pyright: ignore[reportCallIssue]  # as in `search`
        source.search(match).limit(1).to_arrow()

    def create(self, name: str, rows: Any) -> Any:
        """Create a table of Arrow rows, in place of what there is of that name, and return it for writing."""
        return self._connect(self._home.writing(name, anew=True)).create_table(name, rows)

    def reopen(self, at: TableVersion) -> Any:
        """Open a table for writing, and take back what a killed writer did to it after that version."""
        target = self._connect(self._home.writing(at.table, anew=False)).open_table(at.table)
        if target.version != at.version:
            target.checkout(at.version)
            target.restore()
        return target

    @staticmethod
    def rows(source: Any, removed: Iterable[int]) -> Iterator[Any]:
        """Yield the rows of an open table as Arrow batches, without those of some documents, in the order of ids."""
        import numpy as np

        ids = source.search().select(["id", "document"]).with_row_id(True).limit(source.count_rows()).to_arrow()
        ids = ids.filter(~np.isin(ids["document"].to_numpy(), list(removed)))
        row_ids = ids.sort_by("id")["_rowid"].to_pylist()
        for start in range(0, len(row_ids), READ_CHUNKS):
            batch = source.take_row_ids(row_ids[start : start + READ_CHUNKS]).to_arrow()
            yield from (
                batch.sort_by("id").drop_columns([name for name in batch.column_names if name == "_rowid"]).to_batches()
            )

    @staticmethod
    def create_keyword_index(target: Any) -> None:
        """Create the full-text index of a table."""
        from lancedb.index import FTS

        # The terms are made by `reka.server.retrieval.terms`, so the index only splits them.
        whitespace = FTS(
            base_tokenizer="whitespace",
            lower_case=False,
            stem=False,
            remove_stop_words=False,
            ascii_folding=False,
            max_token_length=None,
        )
        target.create_index("terms", config=whitespace)

    @staticmethod
    def create_vector_index(target: Any) -> None:
        """Create the index of a table's vectors, which finds about the nearest ones of many."""
        from lancedb.index import IvfRq

        target.create_index("vector", config=IvfRq(distance_type="dot"))

    def latest(self, name: str) -> TableVersion:
        """Return the last version of a table."""
        return TableVersion(name, self._connect(self._home.reading(name)).open_table(name).version)

    def drop(self, name: str) -> bool:
        """Delete a table, complete or not; a missing one is ignored.

        Returns:
            False if it cannot be deleted now: a sweep does it later.
        """
        self._open.pop(name, None)
        try:
            self._home.drop(name)
        except OSError:
            logger.warning("cannot delete table %s yet", name, exc_info=True)
            return False
        return True

    def names(self) -> list[str]:
        """List the names of all tables, incomplete ones included, sorted."""
        return self._home.names()

    def publish(self, name: str) -> None:
        """Make what was written to a table readable by all who search, also after a loss of power."""
        self._home.publish(name)

    def _connect(self, location: Location, *, asynchronous: bool = False) -> Any:
        with self._lock:
            database = self._databases.get((location.uri, asynchronous))
            if database is None:
                import lancedb

                if asynchronous:
                    database = ask(lancedb.connect_async(location.uri, storage_options=location.options))
                else:
                    database = lancedb.connect(location.uri, storage_options=location.options)
                self._databases[location.uri, asynchronous] = database
                if len(self._databases) > OPEN_DATABASES:
                    self._databases.pop(next(iter(self._databases)))
            return database


async def _open(database: Any, at: TableVersion) -> Any:
    """Open a version of a table for reading."""
    table = await database.open_table(at.table)
    await table.checkout(at.version)
    return table
