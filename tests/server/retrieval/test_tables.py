import sys
from pathlib import Path
from types import FrameType

import lancedb
import pyarrow as pa

from reka.server.retrieval.tables import OPEN_TABLES, Tables, TableVersion
from reka.server.store.tables import FolderTables


def test_another_thread_may_drop_tables_while_one_too_many_is_closed(tmp_path: Path) -> None:
    database = lancedb.connect(str(tmp_path))
    names = [f"t{number}" for number in range(OPEN_TABLES + 1)]
    for name in names:
        database.create_table(name, pa.table({"language": ["english"]}))
    home = FolderTables(tmp_path)
    tables = Tables(home)
    for name in names[:-1]:
        tables.open(TableVersion(name, 1))
    dropped = iter(names[100:])
    is_counted = False

    def drop(frame: FrameType, event: str, function: object) -> None:
        nonlocal is_counted
        if event != "c_call" or frame.f_code is not Tables.open.__code__:
            return
        if function is len:
            is_counted = True
        elif is_counted:
            home.on_drop(next(dropped))

    profile = sys.getprofile()
    sys.setprofile(drop)
    try:
        found = tables.open(TableVersion(names[-1], 1))
    finally:
        sys.setprofile(profile)

    assert found.chunks == 1
    assert next(dropped) != names[100]
