"""G10: a backup is a consistent prefix of the log, verified, and can be restored.

Backups are made while writers append, a runner projects and a process sets its timers. Each is restored, and what is there
then must be a beginning of the log with all else as it was at that very moment, from which it goes on. A copy of the file
alone must fail: else the judge would prove nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.backup.load import begun, copied_while_they_write
from tests.backup.shop import rows_of, silent
from tests.guarantees.telling import tell
from tests.postgres.servers import TcpServer, tcp_server, until
from tests.postgres.standbys import Group, group
from tests.postgres.tools import in_path

from refold.backup.drilling import drill
from refold.backup.making import back_up
from refold.backup.restoring import restore
from refold.errors import StoreReadOnly
from refold.testing.postgres import PostgresServer

pytestmark = [pytest.mark.guarantee("G10")]

EACH = 25
"""Backups of one store, which does not become large."""


@dataclass
class Source:
    """A store at work. `target`: where the backup of a number is restored to. `follower`: what follows it, and is backed up."""

    url: str
    target: Callable[[int], str]
    follower: str | None = None

    def behind(self) -> int:
        """How far it goes where the backups are made."""
        return len(rows_of(self.follower or self.url))

    def restored(self, folder: Path, number: int) -> str:
        """Back it up, restore that, and give the URL of what came of it."""
        backup, target = folder / f"{number}.backup", self.target(number)
        back_up(self.follower or self.url, backup, None, silent)
        restore(backup, target, None, silent)
        backup.unlink()
        return target


def sqlite_stores(folder: Path) -> Generator[Source]:
    """One after another, each in a folder of its own, which is gone afterwards."""
    place = folder / "store"
    while True:
        place.mkdir()
        yield Source(begun(f"sqlite:///{place}/live.db?durability=best-effort"), lambda n: f"sqlite:///{place}/{n}.db")
        shutil.rmtree(place)


def postgres_stores(server: PostgresServer, younger: PostgresServer) -> Generator[Source]:
    """The same as databases, restored into another cluster."""
    while True:
        url, restored = begun(server.new_database()), Databases(younger)
        yield Source(url, restored.new)
        server.drop(url)
        restored.drop()


class Databases:
    """New ones of a server, to be dropped together."""

    def __init__(self, server: PostgresServer) -> None:
        self._server, self._made = server, list[str]()

    def new(self, _: int) -> str:
        """Make one."""
        self._made.append(self._server.new_database())
        return self._made[-1]

    def drop(self) -> None:
        """Drop them all."""
        for url in self._made:
            self._server.drop(url)


def standby_stores(servers: Group) -> Generator[Source]:
    """The same, backed up from a server that follows the one that is written to."""
    (standby,) = servers.standbys
    for source in postgres_stores(servers.primary, servers.primary):
        name = urlsplit(source.url).path[1:]
        until("it has the store, too", lambda name=name: standby.has(name) and standby.has_store(name))
        source.follower = f"postgresql://postgres@/{name}?host={standby.host}"
        until("it has caught up", lambda source=source: source.behind() == len(rows_of(source.url)))
        yield source


def bad(name: str, sources: Generator[Source], folder: Path, backups: int) -> list[str]:
    """What is wrong with so many backups."""
    wrong = list[str]()
    for first in range(0, backups, EACH):
        source = next(sources)
        behind = source.behind if source.follower else None
        copy = partial(source.restored, folder)
        wrong += copied_while_they_write(source.url, min(EACH, backups - first), copy, behind).wrong
    sources.close()
    tell("G10", name, backups=backups, bad=len({each.partition(":")[0] for each in wrong}))
    return wrong


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump and pg_restore in PATH."""
    in_path(tmp_path / "bin", monkeypatch)


@pytest.fixture(scope="module")
def younger() -> Iterator[TcpServer]:
    """Another cluster, with fewer transactions behind it."""
    with tcp_server() as server:
        yield server


@pytest.fixture(scope="module")
def servers() -> Iterator[Group]:
    """A server and one that follows it."""
    if os.environ.get("REFOLD_TEST_POSTGRES"):
        pytest.skip("the server of REFOLD_TEST_POSTGRES is not ours to copy")
    with group(1) as servers:
        yield servers


def test_sqlite_backups_beside_writers_are_whole(tmp_path: Path) -> None:
    assert bad("sqlite", sqlite_stores(tmp_path), tmp_path, 6) == []


@pytest.mark.usefixtures("tools")
def test_postgres_backups_beside_writers_are_whole(
    postgres: PostgresServer, younger: TcpServer, tmp_path: Path
) -> None:
    assert bad("postgresql", postgres_stores(postgres, younger), tmp_path, 2) == []


@pytest.mark.usefixtures("tools")
def test_backups_of_a_postgres_standby_beside_writers_are_whole(servers: Group, tmp_path: Path) -> None:
    assert bad("postgresql-standby", standby_stores(servers), tmp_path, 2) == []


@pytest.mark.usefixtures("tools")
def test_a_backup_of_any_of_several_postgres_servers_is_dumped_by_the_one_that_was_looked_at(
    servers: Group, tmp_path: Path
) -> None:
    source = next(standby_stores(servers))
    name = urlsplit(source.url).path[1:]
    url, head = servers.url(name, mode="ro", target_session_attrs="any", load_balance_hosts="random"), source.behind()
    made = [back_up(url, tmp_path / f"{n}.backup", None, silent).manifest.contents.head for n in range(6)]
    assert made == [head] * 6


@pytest.mark.usefixtures("tools")
def test_a_drill_on_a_postgres_standby_says_what_to_name(servers: Group, tmp_path: Path) -> None:
    source = next(standby_stores(servers))
    back_up(source.follower or "", tmp_path / "shop.backup", None, silent)
    with pytest.raises(StoreReadOnly, match="Name the server that writes in the URL"):
        drill(tmp_path / "shop.backup", source.follower or "", silent)
    assert drill(tmp_path / "shop.backup", source.url, silent).differs_at is None


@pytest.mark.long
def test_many_sqlite_backups_beside_writers_are_whole(tmp_path: Path) -> None:
    assert bad("sqlite", sqlite_stores(tmp_path), tmp_path, 500) == []


@pytest.mark.long
@pytest.mark.usefixtures("tools")
def test_many_postgres_backups_beside_writers_are_whole(
    postgres: PostgresServer, younger: TcpServer, tmp_path: Path
) -> None:
    assert bad("postgresql", postgres_stores(postgres, younger), tmp_path, 500) == []


@pytest.mark.long
@pytest.mark.usefixtures("tools")
def test_many_backups_of_a_postgres_standby_beside_writers_are_whole(servers: Group, tmp_path: Path) -> None:
    assert bad("postgresql-standby", standby_stores(servers), tmp_path, 500) == []


def test_the_judge_finds_that_cp_of_an_sqlite_file_makes_no_backup(tmp_path: Path) -> None:
    url = begun(f"sqlite:///{tmp_path}/live.db?durability=best-effort")

    def copied(number: int) -> str:
        shutil.copyfile(tmp_path / "live.db", tmp_path / f"{number}.db")
        return f"sqlite:///{tmp_path}/{number}.db"

    told = copied_while_they_write(url, 5, copied)
    print(
        f"\ncp: {len({each.partition(':')[0] for each in told.wrong})} of {told.restored} bad, such as {told.wrong[:1]}"
    )
    assert told.wrong
