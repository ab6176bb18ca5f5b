"""The store's tables and functions in its schema: made, and of a format that is known."""

from __future__ import annotations

import time
from importlib.resources import files
from typing import Final

import psycopg

from refold.backends.postgres.location import PostgresLocation
from refold.backends.postgres.pools import Failed
from refold.backends.postgres.session import PAUSE, Bound, Session, Steady
from refold.errors import NewerFormat, NotAStore, StoreReadOnly, StoreUnreachable, UsageError
from refold.ports import Durability

MIGRATIONS: Final = (
    "0001_events.sql",
    "0002_read_models.sql",
    "0003_snapshots.sql",
    "0004_archive.sql",
    "0005_processes.sql",
    "0006_quick_appends.sql",
    "0007_elsewhere.sql",
    "0008_digests.sql",
)
"""Each brings a store from the format before it to the next."""
FORMAT: Final = len(MIGRATIONS)
CATCHES_UP: Final = 5.0
"""Seconds for which a standby that has no store is asked again: the primary may have made it just now."""

_STATE: Final = """
select obj_description(n.oid, 'pg_namespace'), exists (select from pg_class c where c.relnamespace = n.oid)
from pg_namespace n where n.nspname = %s"""
_DURABILITY: Final = """
select current_setting('fsync'), current_setting('synchronous_commit'), current_setting('synchronous_standby_names')"""
_ENCODING: Final = "select current_setting('server_encoding')"
_STAMP: Final = "refold format "
# "If not exists" would ask for the right to make schemas even where this one is there, made for its owner by an administrator.
_SCHEMA: Final = "do $$ begin if to_regnamespace('{schema}') is null then create schema {schema}; end if; end $$"


async def durability(session: Session | Steady) -> Durability:
    """What a commit survives, by what the server says of itself."""
    ((fsync, commit, standbys),) = await session.fetch(_DURABILITY)
    if fsync == "off" or commit == "off":
        return "best-effort"
    return "quorum-disk" if standbys and commit in {"on", "remote_apply"} else "disk"


async def is_standby(session: Session | Steady) -> bool:
    """Whether the server follows another one."""
    ((found,),) = await session.fetch("select pg_is_in_recovery()")
    return bool(found)


async def prepare(session: Session, location: PostgresLocation) -> None:
    """See that the store is there and of a format that is known; make it where there is none.

    Raises:
        NotAStore: the schema holds something else.
        NewerFormat: a newer Refold wrote it.
        StoreUnreachable: there is none, and it was opened with mode=ro; a standby is given some seconds to hear of it.
        StoreReadOnly: there is none, and the role may not make it.
        UsageError: there is none, and the database's encoding does not hold every text.
    """
    steady = Steady(session, location.busy_timeout)
    format = await format_of(steady, location)
    if format < FORMAT and location.read_only:
        format = await _followed(steady, location, format)
    if format < FORMAT and location.read_only:
        raise StoreUnreachable(
            f"there is no store of this format in schema {location.schema!r}, and it was opened with mode=ro: check "
            "the URL, or open it once for writing."
        )
    if format < FORMAT:
        await _migrate(session, location, format)


async def _followed(steady: Steady, location: PostgresLocation, format: int) -> int:
    """The format on a standby, which may be about to hear that the store was made."""
    deadline = time.monotonic() + min(CATCHES_UP, location.busy_timeout)
    while format < FORMAT and time.monotonic() < deadline and await is_standby(steady):
        await steady.pause(PAUSE)
        format = await format_of(steady, location)
    return format


async def _migrate(session: Session, location: PostgresLocation, format: int) -> None:
    ((encoding,),) = await session.fetch(_ENCODING)
    if encoding != "UTF8":
        raise UsageError(
            f"the database has encoding {encoding}, which does not hold every text: make one with "
            "create database NAME encoding 'UTF8' template template0. Nothing was written."
        )
    try:
        await session.transaction(migrations(location, format))
    except Failed as failed:
        if isinstance(failed.error, psycopg.errors.InsufficientPrivilege):
            raise StoreReadOnly(
                f"there is no store of this format in schema {location.schema!r}, and this role may not make it "
                f"({failed.error.diag.message_primary}): open it once as a role that may create schemas in this database. "
                "Nothing was written."
            ) from failed.error
        if await format_of(session, location) != FORMAT:  # what is there already, another process has made meanwhile
            raise


async def format_of(session: Session | Steady, location: PostgresLocation) -> int:
    """The format of the store; 0 if there is none yet."""
    found = await session.fetch(_STATE, (location.schema,))
    if not found:
        return 0
    comment, filled = found[0]
    if comment is not None and str(comment).startswith(_STAMP):
        format = int(str(comment).removeprefix(_STAMP))
        if format > FORMAT:
            raise NewerFormat(f"schema {location.schema!r}", format, FORMAT)
        return format
    if filled:
        raise NotAStore(
            f"schema {location.schema!r} holds tables, but no Refold store: choose another one with ?schema=NAME. "
            "Nothing was changed."
        )
    return 0


def migrations(location: PostgresLocation, format: int) -> list[Bound]:
    """The statements that bring a store of a format to the newest, for one transaction."""
    schema = f'"{location.schema}"'
    steps: list[Bound] = [
        ("select pg_advisory_xact_lock(hashtextextended('refold migration', 0))", ()),
        (_SCHEMA.format(schema=schema), ()),
    ]
    for migration in MIGRATIONS[format:]:
        text = files("refold.backends.postgres").joinpath("migrations", migration).read_text("utf-8")
        steps.append((text.replace("{schema}", schema).replace("{name}", location.schema), ()))
    steps.append((f"comment on schema {schema} is '{_STAMP}{FORMAT}'", ()))
    return steps
