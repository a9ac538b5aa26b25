"""Datasets of each key: made all at once, listed, and deleted with everything that was of them."""

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


@dataclass(frozen=True, slots=True)
class Received:
    """A checked dataset file that is not a dataset yet."""

    path: Path
    """Where it lies; its name is the server's own."""
    kind: Literal["text", "zip"]
    size_bytes: int
    name: str
    """The dataset's name as the client sent it."""
    description: str | None
    filename: str
    """The file's name as the client sent it; empty if it sent none."""


class Datasets:
    """The datasets of one server. An owner never sees, and cannot guess at, another's."""

    def __init__(self, database: Database, folder: DataFolder, index: Index, jobs: Jobs, limits: Settings) -> None:
        """Record datasets in `database`; keep their files in `folder` and what retrieval needs in `index`."""
        self._database = database
        self._folder = folder
        self._index = index
        self._jobs = jobs
        self._limits = limits

    def free_name(self, owner: str, name: str) -> str:
        """Make a name safe, and see to it that the owner has no such dataset.

        Returns:
            The name that the dataset will have.

        Raises:
            RefusedError: The name is no name, or taken.
        """
        safe = secure_name(name, self._limits.max_name_chars)
        with self._database.read() as session:
            if find_dataset(session, owner, safe) is not None:
                raise _name_taken(safe)
        return safe

    def add(self, owner: str, received: Received) -> str:
        """Make a dataset of a checked file, which moves to its place.

        Returns:
            The dataset's name, which is the safe form of the one that was sent.

        Raises:
            RefusedError: The name is no name, or taken, perhaps since the upload began.
        """
        name = self.free_name(owner, received.name)
        dataset_id = uuid4().hex
        place = self._folder.dataset(dataset_id)
        received.path.rename(place)
        sync_folder(place.parent)
        row = DatasetRow(
            id=dataset_id,
            owner=owner,
            name=name,
            description=received.description,
            kind=received.kind,
            source=secure_source(received.filename or name, self._limits.max_name_chars),
            size_bytes=received.size_bytes,
            created=now(),
        )
        try:
            with self._database.write() as session:
                session.add(row)
        except IntegrityError as error:
            place.unlink()
            raise _name_taken(name) from error
        except BaseException:
            place.unlink()
            raise
        return name

    def list(self, owner: str) -> list[str]:
        """Names of all datasets of an owner, sorted."""
        with self._database.read() as session:
            return list(
                session.scalars(select(DatasetRow.name).where(DatasetRow.owner == owner).order_by(DatasetRow.name))
            )

    def delete(self, owner: str, name: str) -> str:
        """Delete a dataset. If it is being prepared for retrieval, that job ends first, as failed.

        Returns:
            The dataset's name.

        Raises:
            NotFound: The owner has no such dataset.
        """
        with self._database.write() as session:
            row = require_dataset(session, owner, name)
            session.delete(row)
            self._jobs.fail_jobs_of(session, row.id)
        # From here on it is gone; if the server ends before the rest is, its next start sweeps that up.
        self._jobs.notify_deleted(row.id)
        self._folder.dataset(row.id).unlink(missing_ok=True)
        if row.table is not None:
            self._index.drop(row.table)
        return row.name

    def prepared_table(self, owner: str, name: str) -> str:
        """The table of the index that holds a dataset's chunks.

        Raises:
            NotFound: The owner has no such dataset.
            RefusedError: It is not prepared for retrieval.
        """
        with self._database.read() as session:
            row = require_dataset(session, owner, name)
        if row.table is None:
            raise RefusedError(
                f"Dataset {row.name!r} is not prepared for retrieval: call prepare_retrieval({row.name!r}), wait until "
                "its job is COMPLETE, then ask again"
            )
        return row.table

    def sweep(self) -> None:
        """Remove what a killed server has left: files and tables that belong to no dataset. For the start only."""
        self._folder.clear_staging()
        with self._database.read() as session:
            rows = session.execute(select(DatasetRow.id, DatasetRow.table)).all()
        for dataset_id in self._folder.dataset_ids() - {row[0] for row in rows}:
            self._folder.dataset(dataset_id).unlink()
        for table in set(self._index.tables()) - {row[1] for row in rows}:
            self._index.drop(table)


def _name_taken(name: str) -> RefusedError:
    return RefusedError(f"There is a dataset {name!r} already: delete it first, or choose another name")
