"""Datasets of each key: made all at once, listed, and deleted with everything that was of them."""

import unicodedata
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from reka.server.database import Database, DatasetRow, now
from reka.server.errors import NotFound, Refused
from reka.server.folder import DataFolder, sync_folder
from reka.server.index import Index
from reka.server.jobs import Jobs
from reka.server.names import secure_name, secure_source
from reka.server.settings import Settings
from reka.server.uploads import Received


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
            Refused: The name is no name, or taken.
        """
        safe = secure_name(name, self._limits.max_name_chars)
        with self._database.read() as session:
            if find(session, owner, safe) is not None:
                raise _taken(safe)
        return safe

    def add(self, owner: str, received: Received) -> str:
        """Make a dataset of a checked file, which moves to its place.

        Returns:
            The dataset's name, which is the safe form of the one that was sent.

        Raises:
            Refused: The name is no name, or taken, perhaps since the upload began.
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
            raise _taken(name) from error
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
            row = known(session, owner, name)
            session.delete(row)
            self._jobs.end_for_deleted(session, row.id)
        # From here on it is gone; if the server ends before the rest is, its next start sweeps that up.
        self._jobs.notice_deleted(row.id)
        self._folder.dataset(row.id).unlink(missing_ok=True)
        if row.table is not None:
            self._index.drop(row.table)
        return row.name

    def prepared_table(self, owner: str, name: str) -> str:
        """The table of the index that holds a dataset's chunks.

        Raises:
            NotFound: The owner has no such dataset.
            Refused: It is not prepared for retrieval.
        """
        with self._database.read() as session:
            row = known(session, owner, name)
        if row.table is None:
            raise Refused(
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


def find(session: Session, owner: str, name: str) -> DatasetRow | None:
    """The row of an owner's dataset; None if there is none."""
    exact = unicodedata.normalize("NFC", name)
    return session.scalar(select(DatasetRow).where(DatasetRow.owner == owner, DatasetRow.name == exact))


def known(session: Session, owner: str, name: str) -> DatasetRow:
    """The row of an owner's dataset.

    Raises:
        NotFound: There is none.
    """
    row = find(session, owner, name)
    if row is None:
        raise NotFound(f"There is no dataset {name!r} of this API key: GET /datasets lists those there are")
    return row


def _taken(name: str) -> Refused:
    return Refused(f"There is a dataset {name!r} already: delete it first, or choose another name")
