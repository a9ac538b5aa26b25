"""The vector stores of each owner: datasets, with the facts that OpenAI's API has of them besides."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol
from uuid import uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from reka._protocol.filters import Filter
from reka.server.errors import NotFoundError
from reka.server.settings import Settings
from reka.server.storage.database import IS_THERE, NO_OWNER, Database, DatasetRow, DocumentRow, find_dataset
from reka.server.storage.database.job_rows import ERROR
from reka.server.storage.database.openai_rows import VectorStoreRow
from reka.server.storage.datasets import Datasets
from reka.server.storage.document_store import LIVE, dataset_of_rows
from reka.server.storage.jobs import Jobs
from reka.server.storage.names import secure_name
from reka.server.storage.openai.ids import dataset_of_store, file_id, store_id
from reka.server.storage.openai.pages import PageQuery, current_time, page_object, rows_of_page, unix_time
from reka.server.storage.quotas import require_room
from reka.server.storage.retriever import WAIT_SECONDS, Passage, Retriever

DAY_SECONDS: Final = 86_400

_ACTIVITY_SECONDS: Final = 3_600
"""Seconds for which uses of a vector store are recorded once: a search writes nothing then (ours)."""

_NAMELESS: Final = "vector-store"
_SHOWN_CHARS: Final = 100


class StoreFacts(Protocol):
    """What a client sets of a vector store."""

    @property
    def name(self) -> str | None:
        """None to leave the name as it is, or to have none."""
        ...

    @property
    def metadata(self) -> Mapping[str, str] | None:
        """None to leave the metadata as they are, or to have none."""
        ...

    @property
    def has_expiry(self) -> bool:
        """Whether `expires_days` is set."""
        ...

    @property
    def expires_days(self) -> int | None:
        """Days after its last use at which it is deleted; None for never."""
        ...


class VectorStores:
    """The vector stores of one server, each of which is a dataset."""

    def __init__(self, database: Database, datasets: Datasets, jobs: Jobs, retriever: Retriever, limits: Settings):
        """Show `datasets` as vector stores."""
        self._database = database
        self._datasets = datasets
        self._jobs = jobs
        self._retriever = retriever
        self._limits = limits

    def create(self, owner: str, facts: StoreFacts, description: str | None, *, has_files: bool) -> dict[str, Any]:
        """Create a vector store without files, and the dataset that it is.

        Args:
            owner: The owner.
            facts: What the client sets.
            description: A description of the dataset; None for none.
            has_files: Whether files are attached next, so that one job prepares the dataset with them.

        Raises:
            RefusedError: The name has control characters.
            QuotaExceededError: The owner may store nothing more.
        """
        dataset_id = uuid4().hex
        with self._database.write() as session:
            require_room(session, owner, self._limits, datasets=1)
            name = self._free_name(session, owner, facts.name, dataset_id)
            dataset = dataset_of_rows(dataset_id, owner, name, description)
            session.add(dataset)
            session.flush()
            session.add(_with_facts(_default_facts(dataset, facts.name or ""), facts))
            if not has_files:
                self._jobs.request(session, dataset)
        self._jobs.notify_new()
        return self.retrieve(owner, store_id(dataset_id))

    def page(self, owner: str, query: PageQuery) -> dict[str, Any]:
        """List an owner's vector stores, a page at a time.

        Raises:
            NotFoundError: A cursor of the page is no vector store of the owner.
        """
        rows = select(DatasetRow).where(DatasetRow.owner == owner)
        with self._database.read() as session:

            def place_of(value: str) -> tuple[str, str]:
                row = require_store(session, owner, value)
                return row.created, row.id

            found, has_more = rows_of_page(session, rows, [DatasetRow.created, DatasetRow.id], query, place_of)
            return page_object(self._describe(session, found), has_more=has_more)

    def retrieve(self, owner: str, value: str) -> dict[str, Any]:
        """Describe a vector store.

        Raises:
            NotFoundError: The owner has no such vector store.
        """
        with self._database.read() as session:
            return self._describe(session, [require_store(session, owner, value)])[0]

    def modify(self, owner: str, value: str, facts: StoreFacts) -> dict[str, Any]:
        """Change what is set of a vector store; its dataset keeps its name.

        Raises:
            NotFoundError: The owner has no such vector store.
        """
        with self._database.write() as session:
            dataset = require_store(session, owner, value)
            session.add(_with_facts(_facts_of(session, dataset), facts))
        return self.retrieve(owner, value)

    def delete(self, owner: str, value: str) -> None:
        """Delete a vector store, and with it its dataset. Files that were attached to it stay.

        Raises:
            NotFoundError: The owner has no such vector store.
        """
        self._datasets.delete(owner, self.dataset(owner, value).name)

    def dataset(self, owner: str, value: str) -> DatasetRow:
        """Return the dataset that a vector store is.

        Raises:
            NotFoundError: The owner has no such vector store.
        """
        with self._database.read() as session:
            return require_store(session, owner, value)

    def search(
        self, owner: str, value: str, queries: Sequence[str], count: int, condition: Filter | None, least: float
    ) -> list[dict[str, Any]]:
        """Find the chunks of a vector store that fit one of the queries best, best first.

        One that is not prepared yet is prepared first.

        Args:
            owner: The owner.
            value: Id of the vector store.
            queries: Any texts.
            count: Maximum number of chunks.
            condition: A filter on attributes; None for all files.
            least: Score that a chunk must have, 0 to 1.

        Raises:
            NotFoundError: The owner has no such vector store.
            RefusedError: It could not be prepared, or not soon enough.
        """
        dataset = self.dataset(owner, value)
        self.record_use(dataset)
        if dataset.table is None:
            self._jobs.wait(self._datasets.request_job(dataset.id), WAIT_SECONDS)
        best: dict[str, Passage] = {}
        for query in queries:
            for passage in self._retriever.retrieve(owner, dataset.name, query, count, condition):
                other = best.get(passage.id)
                if passage.hit.score >= least and (other is None or other.hit.score < passage.hit.score):
                    best[passage.id] = passage
        passages = sorted(best.values(), key=lambda passage: -passage.hit.score)[:count]
        return [_result_object(dataset.id, passage) for passage in passages]

    def record_use(self, dataset: DatasetRow) -> None:
        """Record that a vector store is used, from which its expiry counts."""
        time = current_time()
        with self._database.read() as session:
            facts = session.get(VectorStoreRow, dataset.id)
        if facts is None or time - facts.last_active < _ACTIVITY_SECONDS:
            return
        with self._database.write() as session:
            row = session.get(VectorStoreRow, dataset.id)
            if row is not None:
                _set_active(row, time)

    def delete_expired(self) -> None:
        """Delete the vector stores of all owners that have not been used for as long as they should stay."""
        with self._database.read() as session:
            expired = session.execute(
                select(DatasetRow.owner, DatasetRow.id)
                .join(VectorStoreRow, VectorStoreRow.dataset_id == DatasetRow.id)
                .where(VectorStoreRow.expires <= current_time(), DatasetRow.owner != NO_OWNER)
            ).all()
        for owner, dataset_id in expired:
            try:
                self.delete(owner, store_id(dataset_id))
            except NotFoundError:  # by another request meanwhile
                continue

    def _free_name(self, session: Session, owner: str, name: str | None, dataset_id: str) -> str:
        """Return a name for a dataset that no other one of the owner has."""
        wanted = unicodedata.normalize("NFC", name) if name and name.strip() else _NAMELESS
        safe = secure_name(wanted, self._limits.max_name_chars)
        if find_dataset(session, owner, safe) is None and safe != _NAMELESS:
            return safe
        return secure_name(f"{safe}-{dataset_id[:12]}", self._limits.max_name_chars)

    def _describe(self, session: Session, datasets: Sequence[DatasetRow]) -> list[dict[str, Any]]:
        is_of_them = VectorStoreRow.dataset_id.in_([dataset.id for dataset in datasets])
        facts = {row.dataset_id: row for row in session.scalars(select(VectorStoreRow).where(is_of_them))}
        counts = count_files(session, self._jobs, datasets)
        return [
            _store_object(dataset, facts.get(dataset.id) or _default_facts(dataset, dataset.name), *counts[dataset.id])
            for dataset in datasets
        ]


def require_store(session: Session, owner: str, value: str) -> DatasetRow:
    """Return the dataset that a vector store of an owner is.

    Raises:
        NotFoundError: The owner has no such vector store.
    """
    dataset_id = dataset_of_store(value)
    row = None if dataset_id is None else session.get(DatasetRow, dataset_id)
    if row is None or row.owner != owner:
        raise NotFoundError(
            f"There is no vector store {value[:_SHOWN_CHARS]!r} of this API key: GET /v1/vector_stores lists those "
            "there are"
        )
    return row


def pending_status(session: Session, jobs: Jobs, dataset: DatasetRow) -> tuple[str, str]:
    """Return the status of the files of a vector store that are not in the index, and why they are not."""
    job = jobs.last_of(session, dataset.id)
    if job is not None and job.status == ERROR:
        return "failed", job.detail
    return "in_progress", ""


def count_files(
    session: Session, jobs: Jobs, datasets: Sequence[DatasetRow], names: Sequence[str] | None = None
) -> dict[str, tuple[dict[str, int], int]]:
    """Count the files of vector stores by their status, all or those that are these documents.

    Returns:
        By the id of each dataset the counts in OpenAI's form, and the size of the files in bytes.
    """
    by_id = {dataset.id: dataset for dataset in datasets}
    statement = (
        select(DocumentRow.dataset_id, DocumentRow.state, func.count(), func.sum(DocumentRow.size_bytes))
        .where(DocumentRow.dataset_id.in_(by_id), IS_THERE)
        .group_by(DocumentRow.dataset_id, DocumentRow.state)
    )
    if names is not None:
        statement = statement.where(DocumentRow.name.in_(names))
    counts = {key: {"in_progress": 0, "completed": 0, "failed": 0, "cancelled": 0, "total": 0} for key in by_id}
    sizes = dict.fromkeys(by_id, 0)
    for key, state, count, state_bytes in session.execute(statement):
        status = "completed" if state == LIVE else pending_status(session, jobs, by_id[key])[0]
        counts[key][status] += count
        counts[key]["total"] += count
        sizes[key] += int(state_bytes)
    return {key: (counts[key], sizes[key]) for key in by_id}


def _default_facts(dataset: DatasetRow, name: str) -> VectorStoreRow:
    created = unix_time(dataset.created)
    return VectorStoreRow(dataset_id=dataset.id, name=name, meta="{}", expires_days=None, last_active=created)


def _facts_of(session: Session, dataset: DatasetRow) -> VectorStoreRow:
    return session.get(VectorStoreRow, dataset.id) or _default_facts(dataset, dataset.name)


def _with_facts(row: VectorStoreRow, facts: StoreFacts) -> VectorStoreRow:
    if facts.name is not None:
        row.name = facts.name
    if facts.metadata is not None:
        row.meta = json.dumps(dict(facts.metadata), ensure_ascii=False)
    if facts.has_expiry:
        row.expires_days = facts.expires_days
    _set_active(row, current_time())
    return row


def _set_active(row: VectorStoreRow, time: int) -> None:
    row.last_active = time
    row.expires = None if row.expires_days is None else time + row.expires_days * DAY_SECONDS


def _store_object(dataset: DatasetRow, facts: VectorStoreRow, counts: dict[str, int], size: int) -> dict[str, Any]:
    return {
        "id": store_id(dataset.id),
        "object": "vector_store",
        "created_at": unix_time(dataset.created),
        "name": facts.name,
        "description": dataset.description,
        "usage_bytes": size,
        "file_counts": counts,
        "status": "in_progress" if counts["in_progress"] else "completed",
        "expires_after": None
        if facts.expires_days is None
        else {"anchor": "last_active_at", "days": facts.expires_days},
        "expires_at": facts.expires,
        "last_active_at": facts.last_active,
        "metadata": json.loads(facts.meta),
    }


def _result_object(dataset_id: str, passage: Passage) -> dict[str, Any]:
    return {
        "file_id": file_id(dataset_id, passage.document_id),
        "filename": passage.hit.source,
        "score": passage.hit.score,
        "attributes": attributes_of(passage.metadata),
        "content": [{"type": "text", "text": passage.hit.text}],
    }


def attributes_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata as OpenAI's API has it: of texts, numbers and booleans; other values as JSON."""
    return {
        key: value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
        for key, value in metadata.items()
    }
