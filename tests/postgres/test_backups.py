"""Backups of a PostgreSQL store: the whole database at one moment, restored into a younger cluster, where it goes on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.backup.shop import beside, build, goes_on, left_in, opened, rows_of, silent
from tests.postgres.servers import TcpServer
from tests.postgres.test_restoring import grow_old, transaction_id
from tests.postgres.tools import in_path
from tests.postgres.traffic import NONE, Tail, faults

from refold import RawEvent, Refused, StoreReadOnly, UsageError
from refold.backends.postgres import dumping
from refold.backup import making
from refold.backup.drilling import drill
from refold.backup.making import back_up
from refold.backup.restoring import restore
from refold.testing.postgres import PostgresServer

pytestmark = pytest.mark.guarantee("G10")

OLD = """#!/bin/sh
if [ "$1" = --version ]; then echo "pg_dump 9.6"; exit; fi
echo "aborting because of server version mismatch" >&2; exit 1
"""


def late(url: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """The call, when something was appended just before it."""

    def after(*args: object) -> object:
        with opened(url) as store:
            store.append("late-1", [RawEvent("late", {})])
        return call(*args)

    return after


def databases(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute("select datname from pg_database order by 1")]


def test_a_backup_restored_into_a_younger_cluster_is_the_store_and_goes_on(
    url: str, tcp: TcpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if tcp.given:
        pytest.skip("REFOLD_TEST_POSTGRES gives one cluster only, and a younger one is wanted")
    in_path(tmp_path / "bin", monkeypatch)
    target, backup = tcp.new_database(), tmp_path / "shop.backup"
    grow_old(url)
    build(url)
    before, around = rows_of(url), beside(url)
    assert transaction_id(url) > transaction_id(target) + 10_000, "the other cluster is to be younger"

    made = back_up(url, backup, None, silent)
    assert restore(backup, target, None, silent).manifest == made.manifest

    assert (rows_of(target), beside(target)) == (before, around)
    tail = Tail(target)
    goes_on(target)
    assert rows_of(target, until=len(before)) == before
    assert faults(tail.stop(), [row.position for row in rows_of(target) if row.stream[0] != "$"]) == NONE
    with pytest.raises(Refused, match="the database is not empty"):
        restore(backup, target, None, silent)
    tcp.drop(target)


def test_what_is_written_while_it_is_made_is_in_no_part_of_it(
    url: str, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_path(tmp_path / "bin", monkeypatch)
    build(url)
    head, around = len(rows_of(url)), beside(url)
    for module, name in ((dumping, "_run"), (making, "_looked_through")):  # before the dump, and before the look
        monkeypatch.setattr(module, name, late(url, getattr(module, name)))
    backup, target = tmp_path / "shop.backup", postgres.new_database()
    assert back_up(url, backup, None, silent).manifest.contents.head == head
    monkeypatch.undo()
    in_path(tmp_path / "again", monkeypatch)
    restore(backup, target, None, silent)
    assert (len(rows_of(target)), beside(target)) == (head, around)
    before = databases(url)
    tried = drill(backup, url, silent)
    assert (tried.lost.events, tried.lost.streams, tried.differs_at) == (2, 1, None)
    assert databases(url) == before
    postgres.drop(target)


def test_without_tools_that_fit_it_is_told_and_nothing_is_left(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(url)
    target, bin = tmp_path / "shop.backup", tmp_path / "bin"
    in_path(bin, monkeypatch, ())
    with pytest.raises(UsageError, match="pg_dump is not in PATH"):
        back_up(url, target, None, silent)
    (bin / "pg_dump").write_text(OLD)
    (bin / "pg_dump").chmod(0o755)
    with pytest.raises(UsageError, match=r"pg_dump 9\.6 did not do it: aborting because of server version mismatch"):
        back_up(url, target, None, silent)
    assert left_in(tmp_path) == ["bin"]


def test_a_password_is_no_argument_of_a_tool(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(url)
    in_path(tmp_path / "bin", monkeypatch, ())
    tool = tmp_path / "bin" / "pg_dump"
    tool.write_text('#!/bin/sh\necho "arguments: $*; password: $PGPASSWORD" >&2; exit 1\n')
    tool.chmod(0o755)
    with pytest.raises(UsageError) as told:
        back_up(f"{url}{'&' if '?' in url else '?'}password=canary", tmp_path / "x.backup", None, silent)
    said = str(told.value)
    assert ("password: canary" in said, said.count("canary")) == (True, 1)


def test_a_schema_of_another_name_is_told(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_path(tmp_path / "bin", monkeypatch)
    build(url)
    back_up(url, tmp_path / "shop.backup", None, silent)
    with pytest.raises(UsageError, match=r"write \?schema=refold"):
        restore(tmp_path / "shop.backup", f"{url}{'&' if '?' in url else '?'}schema=other", None, silent)
    with pytest.raises(UsageError, match="is of a postgresql store"):
        restore(tmp_path / "shop.backup", f"sqlite:///{tmp_path}/x.db", None, silent)


def test_a_drill_needs_the_right_to_make_a_database_and_says_what_goes_without(
    url: str, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_path(tmp_path / "bin", monkeypatch)
    build(url)
    back_up(url, tmp_path / "shop.backup", None, silent)
    role = f"plain_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create role {role} login".encode())
        try:
            theirs = f"{url}{'&' if '?' in url else '?'}user={role}"
            with pytest.raises(StoreReadOnly, match="`refold restore` it into an empty database"):
                drill(tmp_path / "shop.backup", theirs, silent)
        finally:
            connection.execute(f"drop role {role}".encode())
