"""Statements by which any SQLite tool would change events, or hide that it did, and what whoever has every right does."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

REST: Final = "type, schema_version, data, tags, recorded_at, valid_at, correlation_id, causation_id, actor, metadata"
COLUMNS: Final = f"position, stream, version, id, {REST}"
FORGED: Final = REST.replace("type", "'forged'", 1)
COPY: Final = f"select 1, stream, version, id, {FORGED} from events where position = 1"  # noqa: S608 - constants
OTHER_ID: Final = COPY.replace("select 1, stream, version, id", "select 99, stream, 9, zeroblob(16)")

REFUSED: Final = {
    "update": "update events set data = cast('{}' as blob) where position = 1",
    "update-of-all": "update events set type = type",
    "update-or-replace": "update or replace events set id = (select id from events where position = 2) where position = 1",
    "update-or-ignore": "update or ignore events set data = cast('{}' as blob)",
    "delete": "delete from events where position = 3",
    "delete-of-all": "delete from events",
    "insert-or-replace": f"insert or replace into events ({COLUMNS}) {COPY}",
    "replace": f"replace into events ({COLUMNS}) {COPY}",
    "insert-or-ignore": f"insert or ignore into events ({COLUMNS}) {COPY}",
    "upsert": f"insert into events ({COLUMNS}) {COPY} on conflict do update set type = 'forged'",
    "upsert-of-nothing": f"insert into events ({COLUMNS}) {COPY} on conflict do nothing",
    "replace-by-stream-and-version": f"replace into events ({COLUMNS}) {COPY.replace('select 1,', 'select 99,')}",
    "replace-by-id": f"replace into events ({COLUMNS}) {COPY.replace('select 1, stream, version', 'select 99, stream, 4')}",
    "a-hole-in-a-stream": f"insert into events ({COLUMNS}) {OTHER_ID}",
    "tags-update": "update event_tags set tag = 'x'",
    "tags-delete": "delete from event_tags",
    "tags-replace": "replace into event_tags select tag, position, 'forged' from event_tags",
    "tags-upsert": "insert into event_tags select tag, position, 'forged' from event_tags where true"
    " on conflict do update set type = 'forged'",
    "update-of-streams": "update events set stream = 'b' || stream",
    "set-null": "update events set data = null",
}  # fmt: skip


@contextmanager
def unguarded(path: Path | str) -> Generator[sqlite3.Connection]:
    """Python's own SQLite on a file, without the triggers of the store, which are put back afterwards."""
    with closing(sqlite3.connect(path, isolation_level=None)) as tool:
        triggers = tool.execute("select name, sql from sqlite_master where type = 'trigger'").fetchall()
        for name, _ in triggers:
            tool.execute(f"drop trigger {name}")
        yield tool
        for _, sql in triggers:
            tool.execute(sql)
