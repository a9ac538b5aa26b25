"""The files in the vector stores of each owner, which are the documents of datasets, and batches of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import uuid4

from sqlalchemy import Select, false, select
from sqlalchemy.orm import Session

from reka.server.errors import NotFoundError
from reka.server.settings import MIB
from reka.server.storage.database import IS_THERE, Database, DatasetRow, DocumentRow, now
from reka.server.storage.database.openai_rows import FileBatchRow, FileRow
from reka.server.storage.document_store import LIVE, NEW, batches, groups
from reka.server.storage.documents import Documents
from reka.server.storage.jobs import Jobs
from reka.server.storage.openai.files import Files, ReadText, find_document, no_such_file, require_file
from reka.server.storage.openai.ids import batch_id, document_of_file, file_id, number_of_batch, store_id
from reka.server.storage.openai.pages import PageQuery, page_object, rows_of_page, unix_time
from reka.server.storage.openai.stores import VectorStores, attributes_of, count_files, pending_status, require_store

_PUT_BYTES: Final = 64 * MIB
"""Bytes of files that become documents in one transaction (ours)."""

_COMPLETED: Final = ("completed", "")
"""Status of a file that is in the index, and no reason; see `pending_status`."""

_SHOWN_CHARS: Final = 100


class Attachment(Protocol):
    """A file to attach to a vector store."""

    @property
    def file_id(self) -> str:
        """Id of the file."""
        ...

    @property
    def attributes(self) -> Mapping[str, Any] | None:
        """Its metadata in the vector store."""
        ...


@dataclass(frozen=True, slots=True)
class _FileDocument:
    """A file as a document."""

    id: str
    text: str
    source: str | None
    metadata: Mapping[str, Any]


class StoreFiles:
    """The files in the vector stores of one server."""

    def __init__(
        self,
        database: Database,
        stores: VectorStores,
        files: Files,
        documents: Documents,
        jobs: Jobs,
        read_text: ReadText,
    ) -> None:
        """Show `documents` as the files of `stores`, and attach `files` to them."""
        self._database = database
        self._stores = stores
        self._files = files
        self._documents = documents
        self._jobs = jobs
        self._read_text = read_text

    def check(self, owner: str, attachments: Sequence[Attachment]) -> None:
        """Check that files are there to be attached.

        Raises:
            NotFoundError: One of them is not.
        """
        with self._database.read() as session:
            self._rows(session, owner, attachments)

    def attach(self, owner: str, store: str, attachments: Sequence[Attachment]) -> None:
        """Attach files to a vector store; a job takes them into the index.

        Raises:
            NotFoundError: The owner has no such vector store, or no such file.
            QuotaExceededError: The owner may not store so much more.
        """
        dataset = self._stores.dataset(owner, store)
        with self._database.read() as session:
            rows = self._rows(session, owner, attachments)
        attributes = {one.file_id: one.attributes or {} for one in attachments}
        for some in groups(rows, _PUT_BYTES, lambda row: row.size_bytes):
            documents = [
                _FileDocument(row.id, text, row.filename, attributes[row.id])
                for row in some
                if (text := self._files.text(row))
            ]
            self._documents.put(owner, dataset.name, documents, dataset.id)
        self._stores.record_use(dataset)

    def page(
        self,
        owner: str,
        store: str,
        query: PageQuery,
        status: str | None = None,
        batch: str | None = None,
    ) -> dict[str, Any]:
        """List the files of a vector store, or of one of its batches, a page at a time.

        Args:
            owner: The owner.
            store: Id of the vector store.
            query: Which page.
            status: Status that the files have; None for any.
            batch: Id of the batch; None for all files.

        Raises:
            NotFoundError: The owner has no such vector store or batch, or a cursor of the page is no file in it.
        """
        with self._database.read() as session:
            dataset = require_store(session, owner, store)
            rows = select(DocumentRow).where(DocumentRow.dataset_id == dataset.id, IS_THERE)
            if batch is not None:
                names = json.loads(_require_batch(session, dataset, batch).documents)
                rows = rows.where(DocumentRow.name.in_(names))
            if status is not None:
                rows = self._of_status(session, dataset, rows, status)
            found, has_more = rows_of_page(
                session,
                rows,
                [DocumentRow.number],
                query,
                lambda value: [_require_document(session, dataset, value).number],
            )
            objects = self._describe(session, dataset, found)
        return page_object(objects, has_more=has_more)

    def retrieve(self, owner: str, store: str, value: str) -> dict[str, Any]:
        """Describe a file of a vector store.

        Raises:
            NotFoundError: The owner has no such vector store, or it has no such file.
        """
        with self._database.read() as session:
            dataset = require_store(session, owner, store)
            return self._describe(session, dataset, [_require_document(session, dataset, value)])[0]

    def update(self, owner: str, store: str, value: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Replace the attributes of a file of a vector store.

        Raises:
            NotFoundError: The owner has no such vector store, or it has no such file.
        """
        dataset, row, text = self._read(owner, store, value)
        document = _FileDocument(row.name, text, row.source, attributes)
        self._documents.put(owner, dataset.name, [document], dataset.id)
        return self.retrieve(owner, store, value)

    def content(self, owner: str, store: str, value: str) -> dict[str, Any]:
        """Return the text of a file of a vector store in OpenAI's form.

        Raises:
            NotFoundError: The owner has no such vector store, or it has no such file.
        """
        _, row, text = self._read(owner, store, value)
        return {
            "object": "vector_store.file_content.page",
            "file_id": value,
            "filename": row.source,
            "attributes": attributes_of(json.loads(row.meta)),
            "data": [{"type": "text", "text": text}],
            "has_more": False,
            "next_page": None,
        }

    def remove(self, owner: str, store: str, value: str) -> None:
        """Take a file out of a vector store; the file itself stays.

        Raises:
            NotFoundError: The owner has no such vector store, or it has no such file.
        """
        with self._database.read() as session:
            dataset = require_store(session, owner, store)
            name = _require_document(session, dataset, value).name
        self._documents.delete(owner, dataset.name, [name], None)

    def create_batch(self, owner: str, store: str, attachments: Sequence[Attachment]) -> dict[str, Any]:
        """Attach files to a vector store as a batch.

        Raises:
            NotFoundError: The owner has no such vector store, or no such file.
            QuotaExceededError: The owner may not store so much more.
        """
        self.attach(owner, store, attachments)
        number = uuid4().hex
        names = list(dict.fromkeys(one.file_id for one in attachments))
        with self._database.write() as session:
            dataset = require_store(session, owner, store)
            session.add(FileBatchRow(id=number, dataset_id=dataset.id, documents=json.dumps(names), created=now()))
        return self.retrieve_batch(owner, store, batch_id(number))

    def retrieve_batch(self, owner: str, store: str, value: str) -> dict[str, Any]:
        """Describe a batch.

        Raises:
            NotFoundError: The owner has no such vector store, or it has no such batch.
        """
        with self._database.read() as session:
            dataset = require_store(session, owner, store)
            batch = _require_batch(session, dataset, value)
            names = json.loads(batch.documents)
            counts, _ = count_files(session, self._jobs, [dataset], names)[dataset.id]
        counts["cancelled"], counts["total"] = len(names) - counts["total"], len(names)
        status = "cancelled" if batch.is_cancelled else "in_progress" if counts["in_progress"] else "completed"
        return {
            "id": value,
            "object": "vector_store.file_batch",
            "created_at": unix_time(batch.created),
            "vector_store_id": store_id(dataset.id),
            "status": status,
            "file_counts": counts,
        }

    def cancel_batch(self, owner: str, store: str, value: str) -> dict[str, Any]:
        """Take those files of a batch out of its vector store that are not in the index yet.

        Raises:
            NotFoundError: The owner has no such vector store, or it has no such batch.
        """
        with self._database.write() as session:
            dataset = require_store(session, owner, store)
            batch = _require_batch(session, dataset, value)
            names = session.scalars(
                select(DocumentRow.name).where(
                    DocumentRow.dataset_id == dataset.id,
                    DocumentRow.state == NEW,
                    DocumentRow.name.in_(json.loads(batch.documents)),
                )
            ).all()
            batch.is_cancelled = bool(names)
        if names:
            self._documents.delete(owner, dataset.name, names, None)
        return self.retrieve_batch(owner, store, value)

    def _rows(self, session: Session, owner: str, attachments: Sequence[Attachment]) -> list[FileRow]:
        names = list(dict.fromkeys(one.file_id for one in attachments))
        found = {
            row.id: row
            for some in batches(names)
            for row in session.scalars(select(FileRow).where(FileRow.owner == owner, FileRow.id.in_(some)))
        }
        return [found.get(name) or require_file(session, owner, name) for name in names]

    def _read(self, owner: str, store: str, value: str) -> tuple[DatasetRow, DocumentRow, str]:
        with self._database.read() as session:
            dataset = require_store(session, owner, store)
            row = _require_document(session, dataset, value)
        text = self._read_text(owner, dataset.name, row.name)
        if text is None:
            raise no_such_file(value)
        return dataset, row, text

    def _of_status(
        self, session: Session, dataset: DatasetRow, rows: "Select[DocumentRow]", status: str
    ) -> "Select[DocumentRow]":
        if status == "completed":
            return rows.where(DocumentRow.state == LIVE)
        if status == pending_status(session, self._jobs, dataset)[0]:
            return rows.where(DocumentRow.state == NEW)
        return rows.where(false())

    def _describe(self, session: Session, dataset: DatasetRow, rows: Sequence[DocumentRow]) -> list[dict[str, Any]]:
        is_of_them = FileRow.owner == dataset.owner, FileRow.id.in_([row.name for row in rows])
        files = {row.id: row.created for row in session.execute(select(FileRow.id, FileRow.created).where(*is_of_them))}
        is_pending = any(row.state != LIVE for row in rows)
        pending = pending_status(session, self._jobs, dataset) if is_pending else _COMPLETED
        return [
            _file_object(dataset, row, files.get(row.name), _COMPLETED if row.state == LIVE else pending)
            for row in rows
        ]


def _file_object(dataset: DatasetRow, row: DocumentRow, created: str | None, state: tuple[str, str]) -> dict[str, Any]:
    status, reason = state
    return {
        "id": file_id(dataset.id, row.name),
        "object": "vector_store.file",
        "created_at": unix_time(created or dataset.created),
        "vector_store_id": store_id(dataset.id),
        "usage_bytes": row.size_bytes,
        "status": status,
        "last_error": {"code": "server_error", "message": reason} if status == "failed" else None,
        "attributes": attributes_of(json.loads(row.meta)),
        "chunking_strategy": {"type": "other"},
    }


def _require_document(session: Session, dataset: DatasetRow, value: str) -> DocumentRow:
    found = document_of_file(value)
    row = None
    if found is not None and found[0] in {None, dataset.id}:
        row = find_document(session, dataset, found[1])
    if row is None:
        raise NotFoundError(f"There is no file {value[:_SHOWN_CHARS]!r} in vector store {store_id(dataset.id)!r}")
    return row


def _require_batch(session: Session, dataset: DatasetRow, value: str) -> FileBatchRow:
    number = number_of_batch(value)
    row = None if number is None else session.get(FileBatchRow, number)
    if row is None or row.dataset_id != dataset.id:
        raise NotFoundError(f"There is no batch {value[:_SHOWN_CHARS]!r} in vector store {store_id(dataset.id)!r}")
    return row
