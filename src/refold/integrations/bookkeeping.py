"""Bookkeeping: Refold's tables about read models in a database of the application's, and Refold's SQL on them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal, TypeAlias, cast

from refold.errors import UsageError
from refold.ports import Capabilities
from refold.sqltext import tokens

Database: TypeAlias = Literal["sqlite", "postgresql"]

_NOW: Final = {"sqlite": ":now", "postgresql": "(extract(epoch from clock_timestamp()) * 1000000)::bigint"}
FOUND: Final = {
    "sqlite": "select 1 where exists (select 1 from sqlite_master where name = 'refold_runners')",
    "postgresql": "select 1 where to_regclass('refold_runners') is not null",
}
"""Gives a row where the tables are there."""
LOCK: Final = "update refold_partitions set fence = fence where 1 = 0"
"""Begins a transaction of SQLite as one that writes: it waits for others here, and not half-way, where it could only fail."""


def database_of(name: str) -> Database:
    """The database that an ORM calls so.

    Raises:
        UsageError: it is neither SQLite nor PostgreSQL.
    """
    if name not in {"sqlite", "postgresql"}:
        raise UsageError(f"read models are kept in SQLite and PostgreSQL, not in {name}: give another database.")
    return cast("Database", name)


def capabilities_of(database: Database) -> Capabilities:
    """What is given there. How safe a commit is, the application has settled with its database."""
    return Capabilities(database, durability="best-effort", sql=True, inside=True)


@lru_cache(maxsize=256)
def owned(text: str, database: Database) -> str:
    """SQL of ours, as it is written there."""
    return text.replace("{refold}", "refold_").replace("{now}", _NOW[database])


@lru_cache(maxsize=1_024)
def formatted(text: str) -> str:
    """The text with `%(name)s` for each `:name`."""
    return "".join(
        f"%({piece[1:]})s" if kind == "parameter" else piece.replace("%", "%%") for kind, piece in tokens(text)
    )


def making(database: Database) -> Sequence[str]:
    """The statements that make the tables, as those of a store are made; whoever is second makes nothing."""
    lock = (
        ["select pg_advisory_xact_lock(hashtextextended('refold read models', 0))"] if database == "postgresql" else []
    )
    return [*lock, *map(_named, _created(database))]


def _created(database: Database) -> Iterator[str]:
    """What the migration of a store creates: the tables about read models, and none of those for its events."""
    backend = "postgres" if database == "postgresql" else "sqlite"
    text = files("refold.backends").joinpath(backend, "migrations", "0002_read_models.sql").read_text("utf-8")
    plain = re.sub(r"--[^\n]*", "", text)
    return (statement.strip() for statement in plain.split(";") if statement.strip().startswith("create "))


def _named(statement: str) -> str:
    """With our prefix before the names, in place of a schema of our own."""
    named = re.sub(r"index (?:refold_)?(\w+) on", r"index refold_\1 on", statement).replace("{schema}.", "refold_")
    return re.sub(r"^create (table|unique index|index) ", r"create \1 if not exists ", named)


def single(text: str) -> Iterator[str]:
    """The statements of a text of SQLite's, whose driver in Python takes one at a time."""
    gathered = ""
    for piece in text.split(";"):
        gathered += f"{piece};"
        if sqlite3.complete_statement(gathered):
            if gathered.strip(" \n\t;"):
                yield gathered
            gathered = ""
    if gathered.strip(" \n\t;"):
        yield gathered.removesuffix(";")
