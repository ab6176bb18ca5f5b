"""A server on TCP: what a proxy can stand before, and what can be stopped and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from refold.testing.postgres import PostgresServer, postgres_server


class TcpServer(PostgresServer):
    """A server at 127.0.0.1."""

    def __init__(self, url: str, *, given: bool) -> None:
        super().__init__(url)
        self.given = given
        self._again: tuple[list[str], int] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.url()).port or 5432

    def stop(self) -> None:
        """Shut it down as an administrator in a hurry does: every connection is cut."""
        with psycopg.connect(self.url()) as connection:
            row = connection.execute("show data_directory").fetchone()
        assert row
        pid = int((Path(str(row[0])) / "postmaster.pid").read_text().splitlines()[0])
        status = Path(f"/proc/{pid}")
        command = (status / "cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
        self._again = command, status.stat().st_uid
        os.kill(pid, signal.SIGINT)
        if self._process is not None:
            self._process.wait(30)
        until("the server has stopped", lambda: not runs(pid))

    def start(self) -> None:
        """Start it again with the same settings, and wait until it answers."""
        assert self._again
        command, user = self._again
        self._process = subprocess.Popen(
            command, user=user, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until("the server answers", self._answers)

    def end(self) -> None:
        """Stop what was started here."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def children(pid: int) -> list[int]:
    """The processes that a process has started, and that are there."""
    found = list[int]()
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            if int(file.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(file.parent.name))
    return found


def until(what: str, holds: object, seconds: float = 30.0) -> None:
    """Wait for something to become true; fail, saying what, if it does not."""
    assert callable(holds)
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.01)


@contextmanager
def tcp_server() -> Generator[TcpServer]:
    """Start one; `REFOLD_TEST_POSTGRES` names a given one, which must listen on TCP and is not stopped."""
    if given := os.environ.get("REFOLD_TEST_POSTGRES"):
        if not urlsplit(given).hostname:
            pytest.skip(f"{given} is no server on TCP, so nothing can stand between it and its clients")
        yield TcpServer(given, given=True)
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    with postgres_server(settings={"listen_addresses": "127.0.0.1", "port": str(port)}):
        server = TcpServer(f"postgresql://postgres@127.0.0.1:{port}/postgres", given=False)
        try:
            yield server
        finally:
            server.end()
