"""A file is recognised as a store, or as a stranger's, from one look at it."""

from __future__ import annotations

from pathlib import Path

import apsw

from refold import Store
from refold.backends.sqlite import Location
from refold.backends.sqlite.connection import FORMAT, _format


def test_a_store_that_another_process_makes_meanwhile_is_no_stranger(tmp_path: Path) -> None:
    path = str(tmp_path / "shop.db")
    db = apsw.Connection(path)
    asked: list[str] = []

    def another_process(cursor: apsw.Cursor, statement: str, bindings: object) -> bool:
        asked.append(statement)
        if len(asked) == 2:
            Store.open(f"sqlite:///{path}").close()
        return True

    db.exec_trace = another_process
    assert _format(db, Location(path)) in (0, FORMAT)
    db.close()
