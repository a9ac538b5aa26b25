"""The datasets of each owner: created atomically, listed, and deleted together with everything derived from them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from reka.server.errors import RefusedError
from reka.server.retrieval.index import Index
from reka.server.settings import Settings
from reka.server.storage.data_dir import DataFolder, sync_folder
from reka.server.storage.database import Database, DatasetRow, find_dataset, now, require_dataset
from reka.server.storage.jobs import Jobs
from reka.server.storage.names import secure_name, secure_source
from reka.server.storage.ownership import is_ours
from reka.server.storage.quotas import require_room


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


class Datasets:
    """The datasets of one server. No owner can see another owner's datasets, or learn that they exist."""

    def __init__(self, database: Database, folder: DataFolder, index: Index, jobs: Jobs, limits: Settings) -> None:
        """Store datasets.

        Args:
            database: Stores their rows.
            folder: Stores their files.
            index: Stores their chunks.
            jobs: Stores the jobs that prepare them.
            limits: Limits of their names, and of what an owner may store.
        """
        self._database = database
        self._folder = folder
        self._index = index
        self._jobs = jobs
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
        path = self._folder.dataset(dataset_id)
        file.path.rename(path)
        sync_folder(path.parent)
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
            with self._database.write() as session:
                require_room(session, owner, self._limits, datasets=1, size_bytes=file.size_bytes)
                session.add(row)
        except BaseException as error:
            path.unlink()
            if isinstance(error, IntegrityError):
                raise _name_taken(name) from error
            raise
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
        with self._database.write() as session:
            row = require_dataset(session, owner, name)
            session.delete(row)
            self._jobs.fail_jobs_of(session, row.id)
        # The dataset is gone now. If the server stops before its files are, the next start removes them (`sweep`).
        self._jobs.notify_deleted(row.id)
        self._folder.dataset(row.id).unlink(missing_ok=True)
        if row.table is not None:
            self._index.drop(row.table)
        return row.name

    def prepared_table(self, owner: str, name: str) -> str:
        """Return the name of the index table that holds a dataset's chunks.

        Raises:
            NotFoundError: The owner has no such dataset.
            RefusedError: The dataset is not prepared for retrieval.
        """
        with self._database.read() as session:
            row = require_dataset(session, owner, name)
        if row.table is None:
            raise RefusedError(
                f"Dataset {row.name!r} is not prepared for retrieval: call prepare_retrieval({row.name!r}), wait until "
                "its job is COMPLETE, then try again"
            )
        return row.table

    def sweep(self) -> None:
        """Delete a killed server's files and tables that belong to no dataset. Call at the start only.

        What does not have a name that a server gives is left alone.
        """
        self._folder.clear_staging()
        with self._database.read() as session:
            rows = session.execute(select(DatasetRow.id, DatasetRow.table)).all()
        for dataset_id in self._folder.dataset_ids() - {row[0] for row in rows}:
            self._folder.dataset(dataset_id).unlink()
        for table in set(self._index.tables()) - {row[1] for row in rows}:
            if is_ours("index", f"{table}.lance"):
                self._index.drop(table)


def _name_taken(name: str) -> RefusedError:
    return RefusedError(f"There is already a dataset {name!r}: delete it first, or choose another name")
