"""What each owner of keys may store: the one check for all that stores something."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from reka.server.errors import QuotaExceededError
from reka.server.settings import Settings
from reka.server.storage.database import IS_THERE, DatasetRow, DocumentRow, FileRow, lock_owner
from reka.server.storage.document_store import ROWS


def require_room(session: Session, owner: str, limits: Settings, *, datasets: int = 0, size_bytes: int = 0) -> None:
    """Check that an owner may store so much more, in the transaction that stores it.

    Args:
        session: The transaction.
        owner: The owner.
        limits: The settings `max_datasets` and `max_stored_bytes`.
        datasets: Number of datasets to be added.
        size_bytes: Bytes of files and texts to be added; those that they replace are deleted before.

    Raises:
        QuotaExceededError: There is no room for it.
    """
    if limits.max_datasets is not None or limits.max_stored_bytes is not None:
        lock_owner(session, owner)
    if limits.max_datasets is not None and datasets > 0:
        stored = session.scalar(select(func.count()).where(DatasetRow.owner == owner)) or 0
        if stored + datasets > limits.max_datasets:
            raise QuotaExceededError(
                f"This API key has {stored} datasets, of {limits.max_datasets} that this server keeps for it: delete "
                "one first"
            )
    if limits.max_stored_bytes is not None and size_bytes > 0:
        stored_bytes = _stored_bytes(session, owner)
        if stored_bytes + size_bytes > limits.max_stored_bytes:
            raise QuotaExceededError(
                f"This API key's datasets and files have {stored_bytes} bytes, of {limits.max_stored_bytes} that this "
                "server keeps for it: too few are left. Delete a dataset or a file first, or upload less"
            )


def _stored_bytes(session: Session, owner: str) -> int:
    """Count the bytes of an owner's uploads, of the texts that are in no upload, and of the files."""
    uploads = select(func.sum(DatasetRow.size_bytes)).where(DatasetRow.owner == owner, DatasetRow.kind != ROWS)
    texts = (
        select(func.sum(DocumentRow.size_bytes))
        .join(DatasetRow, DatasetRow.id == DocumentRow.dataset_id)
        .where(DatasetRow.owner == owner, IS_THERE, DocumentRow.member.is_(None))
    )
    files = select(func.sum(FileRow.size_bytes)).where(FileRow.owner == owner)
    return sum(int(session.scalar(statement) or 0) for statement in (uploads, texts, files))
