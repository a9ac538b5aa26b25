"""The documents of each owner's datasets: put, deleted and listed; a job takes the changes over into the index."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from reka._protocol.filters import Filter, matches
from reka.server.errors import NotFoundError, RefusedError, TooLargeError
from reka.server.settings import Settings
from reka.server.storage.database import (
    IS_CHANGED,
    IS_THERE,
    Database,
    DatasetRow,
    DocumentRow,
    DocumentTextRow,
    JobRow,
    find_dataset,
    require_dataset,
)
from reka.server.storage.document_store import GONE, NEW, batches, dataset_of_rows, digest_of, text_parts
from reka.server.storage.jobs import Jobs
from reka.server.storage.names import secure_name
from reka.server.storage.quotas import require_room


class NewDocument(Protocol):
    """A validated document to put."""

    @property
    def id(self) -> str:
        """Its id in the dataset."""
        ...

    @property
    def text(self) -> str:
        """Its text, which is not empty."""
        ...

    @property
    def source(self) -> str | None:
        """Where it is from; None for its id."""
        ...

    @property
    def metadata(self) -> Mapping[str, Any] | None:
        """Its metadata, as JSON has it."""
        ...


@dataclass(frozen=True, slots=True)
class PutResult:
    """What became of the documents of one request."""

    name: str
    added: int
    replaced: int
    unchanged: int
    job_id: str | None


class Documents:
    """The documents of one server's datasets."""

    def __init__(
        self, database: Database, jobs: Jobs, limits: Settings, describe_embedder: Callable[[str], str]
    ) -> None:
        """Store documents in `database`, and have `jobs` take changes over."""
        self._describe_embedder = describe_embedder
        self._database = database
        self._jobs = jobs
        self._limits = limits

    def put(self, owner: str, name: str, documents: Iterable[NewDocument], dataset_id: str | None = None) -> PutResult:
        """Add documents to a dataset, which is made if it is not there, and replace those whose id is there.

        Args:
            owner: The owner of the dataset.
            name: The dataset's name.
            documents: The documents.
            dataset_id: The id that the dataset must have; None to take or make the one of this name.

        Raises:
            NotFoundError: There is no dataset of this name and id.
            RefusedError: The dataset's name is not valid.
            QuotaExceededError: The owner may not store so much more.
            TooLargeError: The dataset would exceed a limit.
        """
        given = {document.id: document for document in documents}
        try:
            result = self._put(owner, name, given, dataset_id)
        except IntegrityError:  # another request has made the dataset meanwhile
            result = self._put(owner, name, given, dataset_id)
        self._jobs.notify_new()
        return result

    def delete(
        self, owner: str, name: str, ids: Sequence[str] | None, condition: Filter | None
    ) -> tuple[int, str | None]:
        """Delete documents by id, or by a filter; ids that are not there are ignored.

        Returns:
            How many are deleted, and the id of the job that takes them out of the index; None if there is none.

        Raises:
            NotFoundError: The owner has no such dataset.
        """

        def remove(session: Session) -> tuple[int, str | None]:
            dataset = require_dataset(session, owner, name, for_update=True)
            if condition is None:
                numbers = [row.number for row in _by_name(session, dataset.id, list(dict.fromkeys(ids or ())))]
            else:
                rows = session.execute(
                    select(DocumentRow.number, DocumentRow.meta).where(DocumentRow.dataset_id == dataset.id, IS_THERE)
                )
                numbers = [row.number for row in rows if matches(condition, json.loads(row.meta))]
            _mark_gone(session, numbers)
            return len(numbers), self._request_job(session, dataset)

        removed = self._database.remove(remove)
        self._jobs.notify_new()
        return removed

    def page(self, owner: str, name: str, limit: int, after: str | None) -> dict[str, Any]:
        """List the documents of a dataset, in the order in which they were put.

        Args:
            owner: The owner of the dataset.
            name: The dataset's name.
            limit: Maximum number to return.
            after: `next` of the page before; None for the first one.

        Raises:
            NotFoundError: The owner has no such dataset.
            RefusedError: `after` is not the `next` of a page.
        """
        if after is not None and not (after.isascii() and after.isdecimal() and len(after) < 19):
            raise RefusedError(f"after: got {after[:100]!r}, want the value of `next` of the page before")
        with self._database.read() as session:
            dataset = require_dataset(session, owner, name)
            rows = session.scalars(
                select(DocumentRow)
                .where(DocumentRow.dataset_id == dataset.id, IS_THERE, DocumentRow.number > int(after or 0))
                .order_by(DocumentRow.number)
                .limit(limit + 1)
            ).all()
        documents = [
            {
                "id": row.name,
                "source": row.source,
                "metadata": json.loads(row.meta),
                "size_bytes": row.size_bytes,
                "chunks": row.chunks,
                "digest": row.digest,
            }
            for row in rows[:limit]
        ]
        return {"documents": documents, "next": str(rows[limit - 1].number) if len(rows) > limit else None}

    def describe(self, owner: str, name: str) -> dict[str, Any]:
        """Describe a dataset in the API's form.

        Raises:
            NotFoundError: The owner has no such dataset.
        """
        with self._database.read() as session:
            dataset = require_dataset(session, owner, name)
            count, size, chunks = _totals(session, dataset.id)
            job = self._jobs.last_of(session, dataset.id)
        return {
            "name": dataset.name,
            "description": dataset.description,
            "size_bytes": size,
            "documents": count,
            "chunks": chunks,
            "state": _state(dataset, job),
            "job_id": job.id if job else None,
            "created": dataset.created,
            "embedder": None if dataset.embedder is None else self._describe_embedder(dataset.embedder),
        }

    def _put(self, owner: str, name: str, given: Mapping[str, NewDocument], dataset_id: str | None = None) -> PutResult:
        with self._database.write() as session:
            dataset = find_dataset(session, owner, name, for_update=True)
            if dataset_id is not None and (dataset is None or dataset.id != dataset_id):
                raise NotFoundError("The dataset was deleted meanwhile")
            dataset = dataset or self._make_dataset(session, owner, name)
            present = {row.name: row for row in _by_name(session, dataset.id, list(given))}
            rows = {key: _row(dataset.id, document) for key, document in given.items()}
            changed = [key for key, row in rows.items() if key not in present or present[key].digest != row["digest"]]
            replaced = [present[key].number for key in changed if key in present]
            _mark_gone(session, replaced)
            numbers: Sequence[int] = []
            if changed:
                size = sum(rows[key]["size_bytes"] for key in changed)
                require_room(session, owner, self._limits, size_bytes=size)
                statement = insert(DocumentRow).returning(DocumentRow.number, sort_by_parameter_order=True)
                numbers = session.scalars(statement, [rows[key] for key in changed]).all()
                session.execute(
                    insert(DocumentTextRow),
                    [
                        {"number": number, "part": part, "text": text}
                        for number, key in zip(numbers, changed, strict=True)
                        for part, text in enumerate(text_parts([given[key].text]))
                    ],
                )
            self._check_totals(session, dataset)
            job_id = self._request_job(session, dataset, sum(rows[key]["size_bytes"] for key in changed))
        return PutResult(dataset.name, len(changed) - len(replaced), len(replaced), len(given) - len(changed), job_id)

    def _make_dataset(self, session: Session, owner: str, name: str) -> DatasetRow:
        safe = secure_name(name, self._limits.max_name_chars)
        row = find_dataset(session, owner, safe, for_update=True)
        if row is None:
            require_room(session, owner, self._limits, datasets=1)
            row = dataset_of_rows(uuid4().hex, owner, safe)
            session.add(row)
            session.flush()
        return row

    def _check_totals(self, session: Session, dataset: DatasetRow) -> None:
        count, size, _ = _totals(session, dataset.id)
        if count > self._limits.max_documents:
            raise TooLargeError(
                f"dataset {dataset.name!r} would have more than {self._limits.max_documents} documents, this server's "
                "limit: put them into several datasets"
            )
        if size > self._limits.max_unpacked_bytes:
            raise TooLargeError(
                f"dataset {dataset.name!r} would have more than {self._limits.max_unpacked_bytes} bytes of text, this "
                "server's limit: put the documents into several datasets"
            )

    def _request_job(self, session: Session, dataset: DatasetRow, added_bytes: int = 0) -> str | None:
        """Return the job that takes the dataset's changes over; None if it has none and is prepared."""
        session.flush()
        unclaimed = DocumentRow.dataset_id == dataset.id, IS_CHANGED, DocumentRow.job_id.is_(None)
        open_job = self._jobs.open_job(session, dataset.id)
        has_changes = session.scalar(select(DocumentRow.number).where(*unclaimed).limit(1)) is not None
        if open_job is not None and not has_changes:
            return open_job.id
        return self._jobs.request(session, dataset, added_bytes) if has_changes or dataset.table is None else None


def _row(dataset_id: str, document: NewDocument) -> dict[str, Any]:
    source = document.source or document.id
    metadata = json.dumps(document.metadata or {}, ensure_ascii=False, separators=(",", ":"))
    text = document.text.encode()
    digest = digest_of(source, metadata)
    digest.update(text)
    return {
        "dataset_id": dataset_id,
        "name": document.id,
        "source": source,
        "meta": metadata,
        "digest": digest.hexdigest(),
        "size_bytes": len(text),
        "chunks": 0,
        "state": NEW,
        "member": None,
        "job_id": None,
    }


def _by_name(session: Session, dataset_id: str, names: Sequence[str]) -> Iterator[Any]:
    for some in batches(names):
        yield from session.execute(
            select(DocumentRow.number, DocumentRow.name, DocumentRow.digest).where(
                DocumentRow.dataset_id == dataset_id, IS_THERE, DocumentRow.name.in_(some)
            )
        )


def _mark_gone(session: Session, numbers: Sequence[int]) -> None:
    """Mark documents as deleted, and delete their texts."""
    for some in batches(numbers):
        session.execute(
            update(DocumentRow).where(DocumentRow.number.in_(some)).values(state=GONE, job_id=None),
            execution_options={"synchronize_session": False},
        )
        session.execute(
            delete(DocumentTextRow).where(DocumentTextRow.number.in_(some)),
            execution_options={"synchronize_session": False},
        )


def _totals(session: Session, dataset_id: str) -> tuple[int, int, int]:
    """Return number, bytes and chunks of the documents of a dataset."""
    row = session.execute(
        select(func.count(), func.sum(DocumentRow.size_bytes), func.sum(DocumentRow.chunks)).where(
            DocumentRow.dataset_id == dataset_id, IS_THERE
        )
    ).one()
    return int(row[0]), int(row[1] or 0), int(row[2] or 0)


def _state(dataset: DatasetRow, job: JobRow | None) -> str:
    if dataset.table is not None:
        return "prepared"
    if job is None:
        return "stored"
    return "failed" if job.status == "ERROR" else "preparing"
