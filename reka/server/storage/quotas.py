"""What each owner of keys may store: the one check for all that stores something."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from reka.server.errors import QuotaExceededError
from reka.server.settings import Settings
from reka.server.storage.database import DatasetRow


def require_room(session: Session, owner: str, limits: Settings, *, datasets: int = 0, size_bytes: int = 0) -> None:
    """Check that an owner may store so much more, in the transaction that stores it.

    Args:
        session: The transaction.
        owner: The owner.
        limits: The settings `max_datasets` and `max_stored_bytes`.
        datasets: Number of datasets to be added.
        size_bytes: Bytes of files to be added, less those that they replace.

    Raises:
        QuotaExceededError: There is no room for it.
    """
    if limits.max_datasets is None and limits.max_stored_bytes is None:
        return
    stored, stored_bytes = session.execute(
        select(func.count(), func.coalesce(func.sum(DatasetRow.size_bytes), 0)).where(DatasetRow.owner == owner)
    ).one()
    if limits.max_datasets is not None and datasets > 0 and stored + datasets > limits.max_datasets:
        raise QuotaExceededError(
            f"This API key has {stored} datasets, of {limits.max_datasets} that this server keeps for it: delete one "
            "first"
        )
    if limits.max_stored_bytes is not None and size_bytes > 0 and stored_bytes + size_bytes > limits.max_stored_bytes:
        raise QuotaExceededError(
            f"This API key's datasets have {stored_bytes} bytes, of {limits.max_stored_bytes} that this server keeps "
            "for it: too few are left. Delete a dataset first, or upload less"
        )
