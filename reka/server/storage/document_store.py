"""What jobs, searches and exports read of documents, and record of them: texts, metadata, what is in the index."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from reka.server.retrieval.metadata import MetadataColumns
from reka.server.storage.database import IS_CHANGED, IS_THERE, Database, DatasetRow, DocumentRow, DocumentTextRow, now
from reka.server.storage.jobs import Task
from reka.server.storage.leases import Leases

NEW, LIVE, GONE = "new", "live", "gone"

ROWS: Final = "rows"
"""Kind of a dataset without an uploaded file."""

PART_CHARS: Final = 1_000_000
"""Characters of a text that are stored in one row (ours)."""

_AT_ONCE: Final = 500
"""Names or numbers in one statement: databases limit its parameters (ours)."""

_TEXT_ORDER: Final = DocumentTextRow.number, DocumentTextRow.part

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Document:
    """A document as a job or an export reads it."""

    number: int
    name: str
    source: str
    metadata: Mapping[str, Any]
    size_bytes: int
    state: str
    member: int | None


class DocumentStore:
    """The documents of one server's datasets, by number."""

    def __init__(self, database: Database, leases: Leases) -> None:
        """Read documents of `database`, and change them for tasks that hold the lease of their dataset."""
        self._database = database
        self._leases = leases

    def of_dataset(self, dataset_id: str) -> list[Document]:
        """Return the documents of a dataset, in their order."""
        with self._database.read() as session:
            return _documents(session, DocumentRow.dataset_id == dataset_id, IS_THERE)

    def by_name(self, dataset_id: str, names: Sequence[str]) -> list[Document]:
        """Return the documents of a dataset that have these names, in the order of the names."""
        found: dict[str, Document] = {}
        with self._database.read() as session:
            for some in batches(list(dict.fromkeys(names))):
                conditions = DocumentRow.dataset_id == dataset_id, IS_THERE, DocumentRow.name.in_(some)
                found.update((document.name, document) for document in _documents(session, *conditions))
        return [found[name] for name in dict.fromkeys(names) if name in found]

    def facts(self, numbers: Iterable[int]) -> dict[int, tuple[str, dict[str, Any], int]]:
        """Return id, metadata and size of documents by number, of those that are not deleted from the index."""
        with self._database.read() as session:
            return {
                row.number: (row.name, json.loads(row.meta), row.size_bytes)
                for some in batches(sorted(set(numbers)))
                for row in session.execute(
                    select(DocumentRow.number, DocumentRow.name, DocumentRow.meta, DocumentRow.size_bytes).where(
                        DocumentRow.number.in_(some)
                    )
                )
            }

    def number_in_index(self, dataset_id: str, name: str) -> int | None:
        """Return the number under which the index has a document; None if it has none of that id.

        What is deleted or replaced stays in the index until a job takes that over.
        """
        with self._database.read() as session:
            return session.scalar(
                select(DocumentRow.number)
                .where(DocumentRow.dataset_id == dataset_id, DocumentRow.name == name, DocumentRow.state != NEW)
                .order_by(DocumentRow.number)
                .limit(1)
            )

    def load_columns(self, dataset_id: str, columns: MetadataColumns) -> None:
        """Add to `columns` the documents of a dataset that were put since."""
        with self._database.read() as session:
            rows = session.execute(
                select(DocumentRow.number, DocumentRow.meta)
                .where(DocumentRow.dataset_id == dataset_id, DocumentRow.number > columns.last)
                .order_by(DocumentRow.number)
            ).all()
        columns.add((row.number, json.loads(row.meta)) for row in rows)

    def texts(self, documents: Iterable[Document]) -> Iterator[tuple[Document, Iterator[str]]]:
        """Yield documents with their texts in parts; none if a text is gone, or in an uploaded file."""
        for some in groups(documents, PART_CHARS, lambda document: document.size_bytes, _AT_ONCE):
            if len(some) == 1:
                yield some[0], (row.text for row in self._database.parts(DocumentTextRow, some[0].number))
                continue
            texts: dict[int, list[str]] = {}
            with self._database.read() as session:
                statement = select(DocumentTextRow.number, DocumentTextRow.text)
                of_them = DocumentTextRow.number.in_([document.number for document in some])
                for number, text in session.execute(statement.where(of_them).order_by(*_TEXT_ORDER)):
                    texts.setdefault(number, []).append(text)
            for document in some:
                yield document, iter(texts.get(document.number, ()))

    def store_text(self, task: Task, number: int, parts: Iterable[str]) -> None:
        """Store the text of a document that is in an uploaded file.

        Raises:
            LeaseLostError: The task has lost its lease.
        """
        with self._database.write() as session:
            self._leases.require(session, task)
            session.execute(delete(DocumentTextRow).where(DocumentTextRow.number == number))
        for part, text in enumerate(text_parts(parts)):
            with self._database.write() as session:
                self._leases.require(session, task)
                session.add(DocumentTextRow(number=number, part=part, text=text))
        with self._database.write() as session:
            self._leases.require(session, task)
            session.execute(update(DocumentRow).where(DocumentRow.number == number).values(member=None))

    def claim(self, task: Task) -> list[Document]:
        """Mark the changes of a dataset that a job takes over, and return them, in their order.

        If its table is to be built anew, the documents that are in the index are among them.

        Raises:
            LeaseLostError: The task has lost its lease.
        """
        changes = [DocumentRow.dataset_id == task.dataset_id, *([] if task.base is None else [IS_CHANGED])]
        with self._database.write() as session:
            session.get(DatasetRow, task.dataset_id, with_for_update=True)  # so that nothing is put meanwhile
            self._leases.require(session, task)
            session.execute(update(DocumentRow).where(*changes).values(job_id=task.job_id))
            return _documents(session, *changes)

    @staticmethod
    def take_over(session: Session, job_id: str, chunks: Mapping[int, int], digests: Mapping[int, str]) -> None:
        """Record, in the transaction that completes a job, that the index has what the job claimed.

        Args:
            session: The transaction.
            job_id: The job.
            chunks: Number of chunks of each document that has any.
            digests: Digests of the documents that were read out of an uploaded file.
        """
        claimed = DocumentRow.job_id == job_id
        # What was deleted or replaced while the job ran is not claimed any more, and waits for the next one.
        session.execute(delete(DocumentRow).where(claimed, DocumentRow.state == GONE))
        session.execute(update(DocumentRow).where(claimed).values(state=LIVE, job_id=None))
        if chunks:
            session.execute(update(DocumentRow), [{"number": one, "chunks": count} for one, count in chunks.items()])
        if digests:
            session.execute(update(DocumentRow), [{"number": one, "digest": value} for one, value in digests.items()])

    def erase_deleted(self) -> None:
        """Remove from the disk what the database still has there of deleted texts."""
        self._database.erase_deleted()


def dataset_of_rows(dataset_id: str, owner: str, name: str, description: str | None = None) -> DatasetRow:
    """Make the row of a dataset without an uploaded file."""
    return DatasetRow(
        id=dataset_id,
        owner=owner,
        name=name,
        description=description,
        kind=ROWS,
        source="",
        size_bytes=0,
        created=now(),
    )


def digest_of(source: str, metadata: str) -> "hashlib._Hash":
    """Begin the digest of a document; the UTF-8 of its text follows.

    Args:
        source: The document's source.
        metadata: Its metadata as JSON.
    """
    head = json.dumps([source, json.loads(metadata)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{head}\n".encode())


def _documents(session: Session, *conditions: ColumnElement[bool]) -> list[Document]:
    columns = (
        DocumentRow.number,
        DocumentRow.name,
        DocumentRow.source,
        DocumentRow.meta,
        DocumentRow.size_bytes,
        DocumentRow.state,
        DocumentRow.member,
    )
    rows = session.execute(select(*columns).where(*conditions).order_by(DocumentRow.number))
    return [
        Document(number, name, source, json.loads(meta), size, state, member)
        for number, name, source, meta, size, state, member in rows
    ]


def groups(
    items: Iterable[T], max_bytes: int, size_of: Callable[[T], int], max_items: int | None = None
) -> Iterator[list[T]]:
    """Group small items, whose texts are read or written at once; a large one stands alone."""
    group: list[T] = []
    size = 0
    for item in items:
        if group and (len(group) == max_items or size + size_of(item) > max_bytes):
            yield group
            group, size = [], 0
        group.append(item)
        size += size_of(item)
    if group:
        yield group


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Divide the parameters of a statement into as many as one takes."""
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]


def text_parts(parts: Iterable[str]) -> Iterator[str]:
    """Regroup the parts of a text into parts of PART_CHARS."""
    buffer = ""
    for part in parts:
        buffer += part
        while len(buffer) > PART_CHARS:
            yield buffer[:PART_CHARS]
            buffer = buffer[PART_CHARS:]
    if buffer:
        yield buffer
