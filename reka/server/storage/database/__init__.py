"""The database of datasets, jobs and keys: its rows, and sessions on it."""

from reka.server.storage.database.openai_rows import FileBatchRow, FilePartRow, FileRow, VectorStoreRow
from reka.server.storage.database.opening import open_database
from reka.server.storage.database.rows import (
    IS_CHANGED,
    IS_THERE,
    NO_OWNER,
    ArrivalRow,
    Base,
    DatasetRow,
    DocumentRow,
    DocumentTextRow,
    JobEventRow,
    JobRow,
    KeyRow,
    LeaseRow,
    RevokedKeyRow,
    StoreRow,
    find_dataset,
    lock_owner,
    now,
    require_dataset,
)
from reka.server.storage.database.sessions import Database, sqlite_url

__all__ = [
    "IS_CHANGED",
    "IS_THERE",
    "NO_OWNER",
    "ArrivalRow",
    "Base",
    "Database",
    "DatasetRow",
    "DocumentRow",
    "DocumentTextRow",
    "FileBatchRow",
    "FilePartRow",
    "FileRow",
    "JobEventRow",
    "JobRow",
    "KeyRow",
    "LeaseRow",
    "RevokedKeyRow",
    "StoreRow",
    "VectorStoreRow",
    "find_dataset",
    "lock_owner",
    "now",
    "open_database",
    "require_dataset",
    "sqlite_url",
]
