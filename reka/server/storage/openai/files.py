"""The files of each owner: uploaded, listed, read and deleted; attached to vector stores they become documents."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from reka._protocol.files.encodings import TextDecoder
from reka.server.errors import NotFoundError
from reka.server.settings import MIB, Settings
from reka.server.storage.database import IS_THERE, Database, DatasetRow, DocumentRow, now
from reka.server.storage.database.openai_rows import FilePartRow, FileRow
from reka.server.storage.documents import Documents
from reka.server.storage.openai.ids import document_of_file, file_id, new_file_id
from reka.server.storage.openai.pages import PageQuery, current_time, page_object, rows_of_page, unix_time
from reka.server.storage.quotas import require_room

_PURPOSE: Final = "assistants"
"""Purpose of a document that was not uploaded as a file."""

_SHOWN_CHARS: Final = 100

ReadText = Callable[[str, str, str], str | None]
"""Returns the text of a document by owner, dataset and id; None if it is gone."""


class Files:
    """The files of one server. No owner can see another owner's files, or learn that they exist."""

    def __init__(self, database: Database, documents: Documents, read_text: ReadText, limits: Settings) -> None:
        """Store files in `database`; with a file its `documents` are deleted."""
        self._database = database
        self._read_text = read_text
        self._documents = documents
        self._limits = limits

    def add(self, owner: str, filename: str, purpose: str, content: bytes, lifetime: int | None) -> dict[str, Any]:
        """Store a file.

        Args:
            owner: Its owner.
            filename: A name that is safe to display.
            purpose: What it is for.
            content: Its bytes, which are text.
            lifetime: Seconds after which it is deleted; None for never.

        Raises:
            QuotaExceededError: The owner may not store so much more.
        """
        row = FileRow(
            id=new_file_id(),
            owner=owner,
            filename=filename,
            purpose=purpose,
            size_bytes=len(content),
            created=now(),
            expires=None if lifetime is None else current_time() + lifetime,
        )
        with self._database.write() as session:
            require_room(session, owner, self._limits, size_bytes=len(content))
            session.add(row)
            session.flush()
            for part, start in enumerate(range(0, len(content), MIB)):
                session.add(FilePartRow(file_number=row.number, part=part, content=content[start : start + MIB]))
        return _file_object(row)

    def page(self, owner: str, query: PageQuery, purpose: str | None) -> dict[str, Any]:
        """List an owner's files, a page at a time; None for any purpose.

        Raises:
            NotFoundError: A cursor of the page is no file of the owner.
        """
        rows = select(FileRow).where(FileRow.owner == owner)
        if purpose is not None:
            rows = rows.where(FileRow.purpose == purpose)
        with self._database.read() as session:
            found, has_more = rows_of_page(
                session, rows, [FileRow.number], query, lambda value: [require_file(session, owner, value).number]
            )
        return page_object([_file_object(row) for row in found], has_more=has_more)

    def retrieve(self, owner: str, value: str) -> dict[str, Any]:
        """Describe a file, or a document of a dataset by the id that a vector store gives it.

        Raises:
            NotFoundError: The owner has no such file.
        """
        with self._database.read() as session:
            if (row := find_file(session, owner, value)) is not None:
                return _file_object(row)
            dataset, document = _require_document(session, owner, value)
            return _document_object(dataset, document)

    def content(self, owner: str, value: str) -> Iterator[bytes]:
        """Return the bytes of a file in parts, or the text of a document.

        Raises:
            NotFoundError: The owner has no such file.
        """
        with self._database.read() as session:
            if (row := find_file(session, owner, value)) is not None:
                return self._parts(row.number)
            dataset, document = _require_document(session, owner, value)
        text = self._read_text(owner, dataset.name, document.name)
        if text is None:
            raise no_such_file(value)
        return iter([text.encode()])

    def text(self, row: FileRow) -> str:
        """Return the text of a file; empty if it is deleted meanwhile."""
        decoder = TextDecoder()
        return decoder.decode(b"".join(self._parts(row.number))) + decoder.decode(b"", final=True)

    def delete(self, owner: str, value: str) -> None:
        """Delete a file, and its documents in all vector stores.

        Raises:
            NotFoundError: The owner has no such file.
        """
        with self._database.read() as session:
            row = find_file(session, owner, value)
            if row is None:
                dataset, document = _require_document(session, owner, value)
                places = [(dataset.name, document.name)]
            else:
                places = [(name, value) for name in _datasets_with(session, owner, value)]
        for name, document_name in places:
            self._documents.delete(owner, name, [document_name], None)
        if row is not None:
            number = row.number

            def remove(session: Session) -> None:
                session.execute(delete(FileRow).where(FileRow.number == number))

            self._database.remove(remove)

    def delete_expired(self) -> None:
        """Delete the files of all owners whose time has come."""
        with self._database.read() as session:
            expired = session.execute(select(FileRow.owner, FileRow.id).where(FileRow.expires <= current_time())).all()
        for owner, value in expired:
            try:
                self.delete(owner, value)
            except NotFoundError:  # by another request meanwhile
                continue

    def _parts(self, number: int) -> Iterator[bytes]:
        return (row.content for row in self._database.parts(FilePartRow, number))


def find_file(session: Session, owner: str, value: str) -> FileRow | None:
    """Return an owner's file by its id; None if there is none."""
    return session.scalar(select(FileRow).where(FileRow.id == value[:_SHOWN_CHARS], FileRow.owner == owner))


def require_file(session: Session, owner: str, value: str) -> FileRow:
    """Return an owner's file by its id.

    Raises:
        NotFoundError: There is none.
    """
    row = find_file(session, owner, value)
    if row is None:
        raise no_such_file(value)
    return row


def no_such_file(value: str) -> NotFoundError:
    """Make the error for a file that is not there."""
    return NotFoundError(
        f"There is no file {value[:_SHOWN_CHARS]!r} of this API key: GET /v1/files lists those there are"
    )


def _require_document(session: Session, owner: str, value: str) -> tuple[DatasetRow, DocumentRow]:
    found = document_of_file(value)
    if found is None or found[0] is None:
        raise no_such_file(value)
    dataset = session.get(DatasetRow, found[0])
    if dataset is None or dataset.owner != owner:
        raise no_such_file(value)
    row = find_document(session, dataset, found[1])
    if row is None:
        raise no_such_file(value)
    return dataset, row


def find_document(session: Session, dataset: DatasetRow, name: str) -> DocumentRow | None:
    """Return a document of a dataset by its id there; None if there is none."""
    return session.scalar(
        select(DocumentRow).where(DocumentRow.dataset_id == dataset.id, IS_THERE, DocumentRow.name == name)
    )


def _datasets_with(session: Session, owner: str, document: str) -> Sequence[str]:
    return session.scalars(
        select(DatasetRow.name)
        .join(DocumentRow, DocumentRow.dataset_id == DatasetRow.id)
        .where(DatasetRow.owner == owner, IS_THERE, DocumentRow.name == document)
    ).all()


def _file_object(row: FileRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "file",
        "bytes": row.size_bytes,
        "created_at": unix_time(row.created),
        "expires_at": row.expires,
        "filename": row.filename,
        "purpose": row.purpose,
        "status": "processed",
        "status_details": None,
    }


def _document_object(dataset: DatasetRow, row: DocumentRow) -> dict[str, Any]:
    return {
        "id": file_id(dataset.id, row.name),
        "object": "file",
        "bytes": row.size_bytes,
        "created_at": unix_time(dataset.created),
        "expires_at": None,
        "filename": row.source,
        "purpose": _PURPOSE,
        "status": "processed",
        "status_details": None,
    }
