"""The rows of a backup: each table as JSON lines, an object a row, whatever the database; bytes are in Base64."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Integer, LargeBinary, Select, Table, func, insert, literal, select
from sqlalchemy.orm import Session

from reka.server.backup.layout import BackupError
from reka.server.storage.database import NO_OWNER, Base, DatasetRow, DocumentRow

_OWN: Final = frozenset({"store", "arrivals", "leases", "schema_version"})
"""Tables with what holds for one database, its store and its processes alone."""

_AT_ONCE: Final = 50
"""Rows that are read or written at a time: a part of a text has up to 4 MB."""


def tables() -> list[Table]:
    """Return the tables that a backup has, each after those that its rows refer to."""
    return [table for table in Base.metadata.sorted_tables if table.name not in _OWN]


def write_table(session: Session, table: Table, path: Path) -> int:
    """Write the rows of a table to a file, without those of deleted datasets; return their number."""
    count = 0
    with path.open("w", encoding="ascii") as file:
        for row in session.execute(_rows_of(table).execution_options(yield_per=_AT_ONCE)).mappings():
            file.write(json.dumps(dict(row), default=_base64) + "\n")
            count += 1
    return count


def read_table(session: Session, table: Table, path: Path) -> None:
    """Insert the rows of a file into a table.

    Raises:
        BackupError: They have columns that this release does not know.
    """
    columns = {column.name for column in table.columns}
    batch: list[dict[str, Any]] = []
    for row in _lines(path):
        if unknown := row.keys() - columns:
            raise BackupError(f"the backup has columns that this release of reka lacks: {table.name}.{min(unknown)}")
        batch.append({table.columns[name].key: _value(table, name, value) for name, value in row.items()})
        if len(batch) == _AT_ONCE:
            session.execute(insert(table), batch)
            batch = []
    if batch:
        session.execute(insert(table), batch)
    _continue_numbers(session, table)


def is_empty(session: Session) -> bool:
    """Tell whether a database has nothing of what a backup has."""
    return all(session.execute(select(literal(1)).select_from(table).limit(1)).first() is None for table in tables())


def _rows_of(table: Table) -> Select[Any]:
    kept = select(DatasetRow.id).where(DatasetRow.owner != NO_OWNER)
    present = {
        DatasetRow.__table__.c.id: kept,
        DocumentRow.__table__.c.number: select(DocumentRow.number).where(DocumentRow.dataset_id.in_(kept)),
    }
    rows = select(table).order_by(*table.primary_key.columns)
    if table is DatasetRow.__table__:
        return rows.where(table.c.id.in_(kept))
    references = [(key.parent, present[key.column]) for key in table.foreign_keys if key.column in present]
    return rows.where(*(column.in_(there) for column, there in references))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="ascii") as file:
        for line in file:
            yield json.loads(line)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _value(table: Table, name: str, value: Any) -> Any:
    is_bytes = isinstance(table.columns[name].type, LargeBinary) and isinstance(value, str)
    return base64.b64decode(value) if is_bytes else value


def _continue_numbers(session: Session, table: Table) -> None:
    """Have new rows numbered after those that were inserted: PostgreSQL does not look at them."""
    if session.get_bind().dialect.name != "postgresql":
        return
    for column in table.primary_key.columns:
        if isinstance(column.type, Integer) and column is table.autoincrement_column:
            last = session.scalar(select(func.max(column)))
            if last is not None:
                sequence = func.pg_get_serial_sequence(table.name, column.name)
                session.execute(select(func.setval(sequence, last)))
