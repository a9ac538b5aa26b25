"""Rows of what OpenAI's API has beside datasets and documents: files, facts of vector stores, batches of files."""

from sqlalchemy import BigInteger, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from reka.server.storage.database.columns import ROW_NUMBER
from reka.server.storage.database.rows import Base


class FileRow(Base):
    """An uploaded file, which is in no dataset until it is attached to one."""

    __tablename__ = "files"

    number: Mapped[int] = mapped_column(ROW_NUMBER, primary_key=True)
    """Files are listed in this order."""
    id: Mapped[str] = mapped_column(unique=True)
    """The file's id, which is the id of its document in each dataset that it is attached to."""
    owner: Mapped[str] = mapped_column(index=True)
    filename: Mapped[str]
    purpose: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created: Mapped[str]
    expires: Mapped[int | None] = mapped_column(BigInteger, index=True)
    """Unix time in seconds at which it is deleted; None for never."""


class FilePartRow(Base):
    """A part of the bytes of a file."""

    __tablename__ = "file_parts"

    file_number: Mapped[int] = mapped_column(
        ROW_NUMBER,
        ForeignKey("files.number", ondelete="CASCADE"),
        primary_key=True,
    )
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class VectorStoreRow(Base):
    """What a dataset has as a vector store; one without such a row has the defaults."""

    __tablename__ = "vector_stores"

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str]
    """The name as the client wrote it; that of the dataset is made of it, and is unique."""
    meta: Mapped[str] = mapped_column("metadata")
    """JSON object."""
    expires_days: Mapped[int | None]
    """Days after its last use at which it is deleted; None for never."""
    last_active: Mapped[int] = mapped_column(BigInteger)
    """Unix time in seconds of its last use, to the hour."""
    expires: Mapped[int | None] = mapped_column(BigInteger, index=True)
    """Unix time in seconds at which it is deleted; None for never."""


class FileBatchRow(Base):
    """Files that were attached to a vector store together."""

    __tablename__ = "file_batches"

    id: Mapped[str] = mapped_column(primary_key=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), index=True)
    documents: Mapped[str]
    """JSON list of the ids of the documents that the files became."""
    created: Mapped[str]
    is_cancelled: Mapped[bool] = mapped_column(default=False)
