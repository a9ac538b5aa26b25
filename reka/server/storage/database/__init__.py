"""The database of datasets, jobs and keys: its rows, and sessions on it."""

from reka.server.storage.database.rows import (
    IS_CHANGED,
    IS_THERE,
    NO_OWNER,
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
    now,
    require_dataset,
)
from reka.server.storage.database.sessions import Database, open_database, sqlite_url

__all__ = [
    "IS_CHANGED",
    "IS_THERE",
    "NO_OWNER",
    "Base",
    "Database",
    "DatasetRow",
    "DocumentRow",
    "DocumentTextRow",
    "JobEventRow",
    "JobRow",
    "KeyRow",
    "LeaseRow",
    "RevokedKeyRow",
    "StoreRow",
    "find_dataset",
    "now",
    "open_database",
    "require_dataset",
    "sqlite_url",
]
