"""A database as it is at one moment: looked at in a transaction, and dumped by PostgreSQL's own tool from the same snapshot."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from refold.backends.postgres.backend import PostgresBackend, opened_blocking
from refold.backends.postgres.location import PostgresLocation
from refold.backends.postgres.troubles import as_ours
from refold.errors import Refused, StoreReadOnly, UsageError
from refold.ports import Backend

_HIDDEN: Final = ("oauth_client_secret", "scram_client_key", "scram_server_key", "sslpassword")
"""Settings for which the environment has no name."""
_HELD: Final = """
select count(*), min(n.nspname || '.' || c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'"""


class Moment:
    """What a database holds, seen from one snapshot, which other sessions may take while this one lasts."""

    def __init__(self, backend: Backend, snapshot: str, server: Mapping[str, str]) -> None:
        self.backend, self._snapshot, self._server = backend, snapshot, server

    def dump(self, location: PostgresLocation, target: Path) -> None:
        """Dump the whole database from this snapshot into a file of pg_dump's custom format.

        Raises:
            UsageError: pg_dump is not there, not new enough, or may not read something in the database.
        """
        options = ["--format=custom", f"--snapshot={self._snapshot}", "--no-password", f"--file={target}"]
        _run("pg_dump", location, options, (), self._server)  # of several servers, only this one knows the snapshot


@contextmanager
def moment(url: str) -> Generator[Moment]:
    """Hold a snapshot of the database. Writers do not wait for it."""
    location = PostgresLocation.parse(url)
    with _in_our_words(location), _only_read(url) as store, psycopg.connect(location.url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection.transaction():
            connection.execute("set local idle_in_transaction_session_timeout = 0")  # while pg_dump works, this waits
            row: Any = connection.execute("select pg_export_snapshot()").fetchone()
            yield Moment(store.joined(connection), row[0], _server_of(connection))


def _server_of(connection: psycopg.Connection[Any]) -> Mapping[str, str]:
    """What tells libpq to go to the very server of a connection."""
    info = connection.info
    return {"host": info.host, "hostaddr": "" if info.host.startswith("/") else info.hostaddr, "port": str(info.port)}


@contextmanager
def _only_read(url: str) -> Generator[PostgresBackend]:
    """The store itself, seen to be there and of the newest format."""
    store = opened_blocking(f"{url}{'&' if '?' in url else '?'}mode=ro")
    try:
        yield store
    finally:
        with suppress(StopIteration):
            store.close().send(None)  # to its end: it never suspends


def check_empty(location: PostgresLocation) -> None:
    """See that a database holds nothing yet.

    Raises:
        Refused: it does. StoreUnreachable: there is no such database.
    """
    with _in_our_words(location), psycopg.connect(location.url) as connection:
        row: Any = connection.execute(_HELD).fetchone()
    if row[0]:
        raise Refused(
            f"the database is not empty, it holds {row[0]:,} tables and indexes such as {row[1]}, and nothing is overwritten: "
            "make a new one with create database NAME template template0, and name it in the URL."
        )


def load(location: PostgresLocation, source: Path) -> None:
    """Bring a dump into an empty database, whole or not at all.

    Raises:
        UsageError: pg_restore is not there, is older than the pg_dump that wrote it, or the server refuses something.
    """
    options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-password"]
    _run("pg_restore", location, options, [str(source)])


@contextmanager
def scratch_database(url: str) -> Generator[str]:
    """The URL of an empty database beside another one, gone at the end.

    Raises:
        StoreReadOnly: this role may not make one, or this server follows another one.
    """
    location, name = PostgresLocation.parse(url), f"refold_drill_{secrets.token_hex(6)}"
    with _in_our_words(location), psycopg.connect(location.url, autocommit=True) as connection:
        try:
            connection.execute(f"create database \"{name}\" encoding 'UTF8' template template0".encode())
        except psycopg.errors.InsufficientPrivilege as error:
            raise StoreReadOnly(
                "this role may make no database to try the backup in: take one that may (alter role NAME createdb), or "
                "`refold restore` it into an empty database, and `refold verify` that."
            ) from error
        except psycopg.errors.ReadOnlySqlTransaction as error:
            raise StoreReadOnly(
                "this server only reads, since it follows another one: no database to try the backup in can be made here. "
                "Name the server that writes in the URL."
            ) from error
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            connection.execute(f'drop database if exists "{name}" with (force)'.encode())


def version_of(tool: str) -> str | None:
    """What a tool of PostgreSQL says of its version; `None` if it is not in PATH."""
    found = shutil.which(tool)
    if found is None:
        return None
    return subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603


def _run(
    tool: str,
    location: PostgresLocation,
    options: Sequence[str],
    last: Sequence[str] = (),
    server: Mapping[str, str] | None = None,
) -> None:
    found = shutil.which(tool)
    if found is None:
        raise UsageError(
            f"{tool} is not in PATH, and databases are backed up with it: install PostgreSQL's client programs, of the "
            "server's version or newer."
        )
    settings = conninfo_to_dict(location.url) | dict(server or {})
    with _kept_secret(settings) as environment:
        command = [found, *options, f"--dbname={make_conninfo('', **settings)}", *last]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - that of the user's PATH
    if done.returncode:
        said = " ".join(done.stderr.split())[-600:] or f"exit code {done.returncode}"
        raise UsageError(
            f"{version_of(tool)} did not do it: {said}. Nothing was kept. It must be of the server's version or newer, and "
            "its role be allowed to read, or make, all that is in the database."
        )


@contextmanager
def _kept_secret(settings: dict[str, Any]) -> Generator[dict[str, str]]:
    """Take the secrets out of settings: among arguments every user of the machine would see them. Gives the environment."""
    environment = dict(os.environ)
    if password := settings.pop("password", None):
        environment["PGPASSWORD"] = str(password)
    hidden = {name: settings.pop(name) for name in _HIDDEN if name in settings}
    if not hidden:
        yield environment
        return
    if "service" in settings:
        raise UsageError(
            f"the URL names a service, so {' and '.join(hidden)} belong into its file, too: write them there."
        )
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:  # which nobody else can read
        file.write("\n".join(["[refold]", *(f"{name}={value}" for name, value in hidden.items()), ""]))
        file.flush()
        settings["service"] = "refold"
        yield {**environment, "PGSERVICEFILE": file.name}


@contextmanager
def _in_our_words(location: PostgresLocation) -> Generator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise as_ours(error, location) from error
