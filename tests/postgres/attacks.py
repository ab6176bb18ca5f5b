"""Statements that would change events of a PostgreSQL store, and those that would take away what forbids it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import psycopg

ATTACKS: Final = (
    "update refold.events set type = 'other'",
    "update refold.events set type = 'other' where false",
    "delete from refold.events",
    "truncate refold.events",
    "truncate refold.events, refold.event_tags cascade",
    "insert into refold.events select * from refold.events on conflict (position) do update set type = 'other'",
    (
        "merge into refold.events e using (select 1) one on e.position = 1"
        " when matched then update set type = 'other' when not matched then do nothing"
    ),
    "delete from refold.event_tags",
    "update refold.event_tags set tag = 'other'",
    "truncate refold.event_tags",
)
AROUND: Final = (
    "alter table refold.events disable trigger all",
    "drop trigger events_are_facts on refold.events",
    "drop table refold.events",
    "drop schema refold cascade",
    "set session_replication_role = replica",
    "create or replace function refold.refuse() returns trigger language plpgsql as $$ begin return null; end $$",
)


def run(url: str, text: str) -> None:
    """Run it in a transaction of its own."""
    with psycopg.connect(url) as connection:
        connection.execute(text.encode())


def refusals(url: str, texts: Sequence[str]) -> dict[str, str]:
    """What each of these statements meets, by name."""
    met: dict[str, str] = {}
    for text in texts:
        try:
            run(url, text)
        except psycopg.Error as error:
            met[text] = type(error).__name__
    return met
