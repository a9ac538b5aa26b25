"""The datasets of each owner: created atomically, listed, and deleted together with everything derived from them."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from uuid import uuid4

from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from reka.server.errors import RefusedError, ServiceError, StorageUnavailableError
from reka.server.faults import is_disk_full
from reka.server.retrieval.index import Index
from reka.server.retrieval.tables import TableVersion
from reka.server.settings import Settings
from reka.server.storage.database import (
    NO_OWNER,
    Database,
    DatasetRow,
    DocumentRow,
    JobRow,
    find_dataset,
    lock_owner,
    now,
    require_dataset,
)
from reka.server.storage.database.job_rows import OPEN
from reka.server.storage.dataset_files import DatasetFiles
from reka.server.storage.document_store import LIVE, NEW, ROWS
from reka.server.storage.jobs import Jobs, base_of
from reka.server.storage.leases import Leases, is_free
from reka.server.storage.names import secure_name, secure_source
from reka.server.storage.quotas import require_room

logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A validated upload that is not a dataset yet."""

    path: Path
    """Path of the file in the staging folder; the server chose its name."""
    kind: Literal["text", "zip"]
    size_bytes: int
    name: str
    """The dataset's name as the client sent it."""
    description: str | None
    filename: str
    """The file's name as the client sent it; empty if the client sent none."""
    skipped: tuple[str, ...] = ()
    """Names of the files in a zip that are no part of the dataset, as a system left them behind."""
    members: tuple[tuple[str, int], ...] = ()
    """Name and size in bytes of each text file of a zip."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """An attempt to write the table of a dataset anew."""

    dataset_id: str
    table: str
    """Name of the new table."""
    base: TableVersion
    """What is searched meanwhile."""


class Datasets:
    """The datasets of one server. No owner can see another owner's datasets, or learn that they exist."""

    def __init__(
        self, database: Database, files: DatasetFiles, index: Index, jobs: Jobs, leases: Leases, limits: Settings
    ) -> None:
        """Store datasets.

        Args:
            database: Stores their rows.
            files: Stores their files.
            index: Stores their chunks.
            jobs: Stores the jobs that prepare them.
            leases: Stores who works on them.
            limits: Limits of their names, and of what an owner may store.
        """
        self._database = database
        self._files = files
        self._index = index
        self._jobs = jobs
        self._leases = leases
        self._limits = limits

    def available_name(self, owner: str, name: str) -> str:
        """Convert a name to a safe one, and check that the owner has no dataset of that name.

        Returns:
            The name that the dataset will have.

        Raises:
            RefusedError: The name is not valid, or is taken.
            QuotaExceededError: The owner may store nothing more.
        """
        safe = secure_name(name, self._limits.max_name_chars)
        with self._database.read() as session:
            if find_dataset(session, owner, safe) is not None:
                raise _name_taken(safe)
            require_room(session, owner, self._limits, datasets=1, size_bytes=1)  # before all of it is sent
        return safe

    def add(self, owner: str, file: StagedFile) -> str:
        """Create a dataset from a staged file, which is moved out of the staging folder.

        Returns:
            The dataset's name: the safe form of the one that the client sent.

        Raises:
            RefusedError: The name is not valid, or is taken, possibly by an upload that finished meanwhile.
            QuotaExceededError: The owner may not store so much more.
        """
        name = self.available_name(owner, file.name)
        dataset_id = uuid4().hex
        row = DatasetRow(
            id=dataset_id,
            owner=owner,
            name=name,
            description=file.description,
            kind=file.kind,
            source=secure_source(file.filename or name, self._limits.max_name_chars),
            size_bytes=file.size_bytes,
            created=now(),
        )
        try:
            with self._files.adding(dataset_id, file.path), self._database.write() as session:
                lock_owner(session, owner)
                require_room(session, owner, self._limits, datasets=1, size_bytes=file.size_bytes)
                self._files.confirm(session, dataset_id)
                session.add(row)
                session.flush()
                add_members(session, row, file.members)
        except IntegrityError as error:
            raise _name_taken(name) from error
        return name

    def list(self, owner: str) -> list[str]:
        """List the names of an owner's datasets, sorted."""
        with self._database.read() as session:
            return list(
                session.scalars(select(DatasetRow.name).where(DatasetRow.owner == owner).order_by(DatasetRow.name))
            )

    def delete(self, owner: str, name: str) -> str:
        """Delete a dataset. An open job that prepares it fails first.

        Returns:
            The dataset's name.

        Raises:
            NotFoundError: The owner has no such dataset.
        """

        def remove(session: Session) -> tuple[str, str]:
            row = require_dataset(session, owner, name, for_update=True)
            dataset_id, stored_name = row.id, row.name
            row.owner, row.name = NO_OWNER, dataset_id
            self._jobs.fail_jobs_of(session, dataset_id)
            return dataset_id, stored_name

        try:
            dataset_id, stored_name = self._database.remove(remove)
        except DBAPIError as error:
            if not is_disk_full(error):
                raise
            self._make_room(owner, name)
            dataset_id, stored_name = self._database.remove(remove)
        # The dataset is gone now. What is left of it if the server stops here, or the disk is full, is removed later.
        self._jobs.notify_deleted(dataset_id)
        try:
            self._remove_rest(dataset_id)
        except (DBAPIError, OSError):
            logger.warning("cannot remove all of a deleted dataset yet", exc_info=True)
        return stored_name

    def _make_room(self, owner: str, name: str) -> None:
        """Delete table and file of a dataset that is to be deleted, which a disk without a reserve does not record."""
        row = self.find(owner, name)
        if row.table is not None:
            self._index.drop(row.table)
        self._files.delete(row.id)

    def remove_deleted(self) -> None:
        """Remove what is left of deleted datasets, and keep room for further deletions."""
        with self._database.read() as session:
            deleted = session.scalars(select(DatasetRow.id).where(DatasetRow.owner == NO_OWNER)).all()
        for dataset_id in deleted:
            self._remove_rest(dataset_id)
        self._database.fill_reserve()

    def _remove_rest(self, dataset_id: str) -> None:
        """Remove the files of a deleted dataset, which makes room, then its rows."""
        with self._database.read() as session:
            row = session.get(DatasetRow, dataset_id)
        is_gone = self._files.delete(dataset_id)
        if row is not None and row.table is not None:
            is_gone = self._index.drop(row.table) and is_gone
        if not is_gone:
            return

        def remove(session: Session) -> None:
            session.execute(delete(DatasetRow).where(DatasetRow.id == dataset_id))

        self._database.remove(remove)
        self._database.fill_reserve()

    def find(self, owner: str, name: str) -> DatasetRow:
        """Return a dataset.

        Raises:
            NotFoundError: The owner has no such dataset.
        """
        with self._database.read() as session:
            return require_dataset(session, owner, name)

    def prepared(self, owner: str, name: str) -> DatasetRow:
        """Return a dataset that is prepared for retrieval.

        Raises:
            NotFoundError: The owner has no such dataset.
            RefusedError: The dataset is not prepared for retrieval.
        """
        row = self.find(owner, name)
        if row.table is None:
            raise RefusedError(
                f"Dataset {row.name!r} is not prepared for retrieval: call prepare_retrieval({row.name!r}), wait until "
                "its job is COMPLETE, then try again"
            )
        return row

    def request_job(self, dataset_id: str) -> str | None:
        """Return the id of an open job of a dataset, a new one if there is none; None if the dataset is deleted."""
        with self._database.write() as session:
            row = session.get(DatasetRow, dataset_id, with_for_update=True)
            if row is None or row.owner == NO_OWNER:
                return None
            job = self._jobs.open_job(session, dataset_id)
            job_id = self._jobs.request(session, row) if job is None else job.id
        self._jobs.notify_new()
        return job_id

    def rebuild_if_lost(self, dataset_id: str, at: TableVersion) -> bool:
        """Have a dataset's table built anew from the stored texts, if it is lost or damaged.

        Returns:
            False, with nothing changed, if the table is intact.

        Raises:
            StorageUnavailableError: The store is not there, so nothing can be said of its tables.
        """
        if not self._files.is_store_there():
            raise StorageUnavailableError("The server's data cannot be used now: try again")
        if self._index.is_intact(at):
            return False
        logger.error("the table of dataset %s is lost or damaged, and is built anew from the texts", dataset_id)
        with self._database.write() as session:
            row = session.get(DatasetRow, dataset_id, with_for_update=True)
            if row is not None and row.owner != NO_OWNER and base_of(row) == at:
                row.table_version = None
                if self._jobs.open_job(session, dataset_id) is None:
                    self._jobs.request(session, row)
        self._jobs.notify_new()
        return True

    def has_lost_table(self) -> bool:
        """Tell whether the table of a dataset is lost or damaged, and a job that is to build it anew has not ended."""
        is_lost = DatasetRow.table.is_not(None), DatasetRow.table_version.is_(None), DatasetRow.owner != NO_OWNER
        builds = select(JobRow.id).join(DatasetRow, DatasetRow.id == JobRow.dataset_id)
        with self._database.read() as session:
            return session.scalar(builds.where(JobRow.status.in_(OPEN), *is_lost).limit(1)) is not None

    def start_rewrite(self) -> Rewrite | None:
        """Take the lease of a dataset whose table holds what was deleted from it; None if there is none."""
        to_rewrite = select(DatasetRow).where(
            DatasetRow.table_changes > 0, DatasetRow.table_version.is_not(None), is_free(DatasetRow.id)
        )
        with self._database.read() as session:
            if session.scalar(to_rewrite.limit(1)) is None:
                return None
        try:
            with self._database.write() as session:
                row = session.scalar(to_rewrite.limit(1).with_for_update(skip_locked=True))
                at = base_of(row) if row else None
                if row is None or at is None:
                    return None
                rewrite = Rewrite(row.id, f"chunks_{uuid4().hex}_1", at)
                self._leases.take(session, rewrite.dataset_id, rewrite.table)
                return rewrite
        except IntegrityError:  # another process has begun to work on it
            return None

    def is_there(self, dataset_id: str) -> bool:
        """Tell whether a dataset is not deleted."""
        with self._database.read() as session:
            row = session.get(DatasetRow, dataset_id)
            return row is not None and row.owner != NO_OWNER

    def has_table(self, dataset_id: str, table: str) -> bool:
        """Tell whether a table is the one that a dataset is searched in."""
        with self._database.read() as session:
            row = session.get(DatasetRow, dataset_id)
            return row is not None and row.table == table

    def is_rewritten(self, rewrite: Rewrite) -> bool:
        """Tell whether what is written anew can still be published."""
        with self._database.read() as session:
            return self._is_rewritten(session, rewrite, session.get(DatasetRow, rewrite.dataset_id))

    def replace_table(self, rewrite: Rewrite, at: TableVersion) -> bool:
        """Publish a table that was written anew, and delete the one before.

        Returns:
            False, with nothing changed, if its base is not what is searched any more.
        """
        with self._database.write() as session:
            row = session.get(DatasetRow, rewrite.dataset_id, with_for_update=True)
            if row is None or not self._is_rewritten(session, rewrite, row):
                return False
            row.table, row.table_version, row.table_changes = at.table, at.version, 0
            self._leases.end(session, rewrite)
        self._index.drop(rewrite.base.table)
        return True

    def _is_rewritten(self, session: Session, rewrite: Rewrite, row: DatasetRow | None) -> bool:
        is_there = row is not None and row.owner != NO_OWNER and base_of(row) == rewrite.base
        return is_there and self._leases.is_held(session, rewrite)

    def add_documents_of_uploads(self, list_members: Callable[[Path], Sequence[tuple[str, int]]]) -> None:
        """Add the documents of uploads of before there were documents, and have their tables built anew.

        Args:
            list_members: Returns name and size of the text files of a zip.
        """
        has_documents = select(DocumentRow.number).where(DocumentRow.dataset_id == DatasetRow.id).exists()
        with self._database.read() as session:
            rows = session.scalars(select(DatasetRow).where(DatasetRow.kind != ROWS, ~has_documents)).all()
        for row in rows:
            members: Sequence[tuple[str, int]] = ()
            # What is wrong with its file, its job says.
            with suppress(OSError, ServiceError), self._files.reading(row.id, row.kind) as path:
                members = list_members(path) if row.kind == "zip" else ()
            with self._database.write() as session:
                add_members(session, row, members)
            if row.table is not None:
                self.request_job(row.id)


def add_members(session: Session, dataset: DatasetRow, members: Sequence[tuple[str, int]]) -> None:
    """Add the files of an upload as documents, in the transaction that creates their dataset.

    Args:
        session: The transaction.
        dataset: The dataset, whose row is written.
        members: Name and size of each text file of a zip; a text is the one file of its dataset.
    """
    names: Counter[str] = Counter()
    for member, (source, size) in enumerate(members or [(dataset.source, dataset.size_bytes)]):
        names[source] += 1  # a zip may have two files of one name
        name = source if names[source] == 1 else f"{source} ({names[source]})"
        session.add(
            DocumentRow(
                dataset_id=dataset.id,
                name=name,
                source=source,
                meta="{}",
                size_bytes=size,
                state=NEW if dataset.table is None else LIVE,
                member=member,
            )
        )


def _name_taken(name: str) -> RefusedError:
    return RefusedError(f"There is already a dataset {name!r}: delete it first, or choose another name")
