"""Whether a database is one of this release, and of this server's data folder: checked before a server starts."""

from sqlalchemy import inspect

from reka.server.errors import StartError
from reka.server.storage.database.rows import Base, StoreRow
from reka.server.storage.database.sessions import Database


def check_columns(database: Database) -> None:
    """Check that a database has every column.

    Raises:
        StartError: It lacks one.
    """
    with database.read() as session:
        inspector = inspect(session.connection())
        present = {
            table.name: {column["name"] for column in inspector.get_columns(table.name)}
            for table in Base.metadata.sorted_tables
        }
    lacking = [
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if column.name not in present[table.name]
    ]
    if lacking:
        raise StartError(
            f"the database lacks columns that this release of reka needs ({', '.join(lacking)}): another release has "
            "written it, or something has changed it. Install that release, or restore a backup"
        )


def bind(database: Database, folder_id: str) -> None:
    """Bind a database to the data folder that has the files of its datasets, if it is not bound yet.

    Args:
        database: The database.
        folder_id: Id of the folder.

    Raises:
        StartError: It is bound to another folder, whose server would lose its work to this one.
    """
    with database.write() as session:
        row = session.get(StoreRow, 1) or StoreRow(number=1, folder_id=folder_id)
        session.add(row)
        bound_to = row.folder_id
    if bound_to != folder_id:
        raise StartError(
            "database_url: the database belongs to the server of another data folder, which has the files of its "
            "datasets: use that data_dir, after its server has ended, or another database"
        )
