"""A server and others that follow it, each on a socket of its own: to be read from, held back, stopped and promoted."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import psycopg
from tests.postgres.servers import until

from refold.testing.postgres import PostgresServer, binaries_for, database_owner, die_with_the_parent, postgres_server


class Standby:
    """A server that follows another one."""

    def __init__(self, place: Path, primary: str) -> None:
        self._place, self._owner = place, database_owner()
        for name in ("data", "s"):
            (place / name).mkdir(mode=0o700)
            if self._owner:
                os.chown(place / name, self._owner["user"], self._owner["group"])
        place.chmod(0o711)
        options = ["-h", primary, "-U", "postgres", "-D", place / "data", "-R", "-c", "fast"]
        self._run("pg_basebackup", *options).wait(60)
        self._server = self._run("postgres", "-D", place / "data", "-k", place / "s", "-h", "")
        until("the standby answers", self._answers)

    @property
    def host(self) -> str:
        """Where it listens."""
        return str(self._place / "s")

    def tell(self, statement: str) -> object:
        """Run a statement on it, and give its value."""
        with psycopg.connect(host=self.host, user="postgres", dbname="postgres", autocommit=True) as connection:
            row = connection.execute(statement.encode()).fetchone()
            return row and row[0]

    def has(self, database: str) -> bool:
        """Whether a database is there, for readers of this server."""
        with psycopg.connect(host=self.host, user="postgres", dbname="postgres") as connection:
            return connection.execute("select from pg_database where datname = %s", (database,)).rowcount == 1

    def has_store(self, database: str) -> bool:
        """Whether a database has a store, for readers of this server."""
        with psycopg.connect(host=self.host, user="postgres", dbname=database) as connection:
            return connection.execute("select from pg_tables where schemaname = 'refold'").rowcount > 0

    def hold_back(self) -> None:
        """What is written from now on, readers of it do not see."""
        self.tell("select pg_wal_replay_pause()")
        until("the replay has paused", lambda: self.tell("select pg_get_wal_replay_pause_state()") == "paused")

    def go_on(self) -> None:
        """Readers see everything again."""
        self.tell("select pg_wal_replay_resume()")

    def stop(self) -> None:
        """Stop it; twice is fine."""
        self._server.send_signal(signal.SIGINT)
        self._server.wait(30)

    def start(self) -> None:
        """Start it again."""
        self._server = self._run("postgres", "-D", self._place / "data", "-k", self._place / "s", "-h", "")
        until("the standby answers", self._answers)

    def _answers(self) -> bool:
        try:
            return self.tell("select true") is True
        except psycopg.OperationalError:
            return False

    def _run(self, program: str, *options: object) -> subprocess.Popen[Any]:
        with (self._place / "log").open("ab") as log:
            return subprocess.Popen(
                [str(binaries_for(self._owner) / program), *map(str, options)],
                stdout=log,
                stderr=log,
                cwd="/",
                preexec_fn=die_with_the_parent(),  # noqa: PLW1509 - one call of libc, before any thread of the child
                **self._owner,
            )


class Group:
    """A server, and those that follow it."""

    def __init__(self, primary: PostgresServer, standbys: list[Standby]) -> None:
        self.primary, self.standbys = primary, standbys
        self._host = unquote(urlsplit(primary.url()).query.removeprefix("host="))

    def url(self, database: str, **settings: object) -> str:
        """A database with all hosts, the standbys first."""
        hosts = ",".join([*(standby.host for standby in self.standbys), self._host])
        query = "".join(f"&{name}={value}" for name, value in settings.items())
        return f"postgresql://postgres@/{database}?host={quote(hosts, safe='')}{query}"

    def stop_primary(self) -> None:
        """Stop it as an administrator in a hurry does."""
        with psycopg.connect(self.primary.url()) as connection:
            row = connection.execute("show data_directory").fetchone()
        assert row
        pid = int((Path(str(row[0])) / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGINT)


@contextmanager
def group(standbys: int, waits_for: str = "") -> Generator[Group]:
    """Start a server and so many that follow it, and stop them at the end; `waits_for`: those whose disks a commit waits for."""
    with postgres_server(durable=True) as primary:
        host = unquote(urlsplit(primary.url()).query.removeprefix("host="))
        with tempfile.TemporaryDirectory(prefix="refold-sb-", dir="/tmp") as place:
            made: list[Standby] = []
            try:
                for number in range(standbys):
                    (Path(place) / str(number)).mkdir()
                    Path(place).chmod(0o711)
                    made.append(Standby(Path(place) / str(number), host))
                with psycopg.connect(primary.url(), autocommit=True) as connection:
                    connection.execute(f"alter system set synchronous_standby_names = '{waits_for}'".encode())
                    connection.execute("select pg_reload_conf()")
                yield Group(primary, made)
            finally:
                for standby in made:
                    standby.stop()
