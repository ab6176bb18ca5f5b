"""A disk of its own whose power can be cut: what was not written through to it by then is gone, as after a real power cut.

An ext4 file system in a file, mounted by a loop device, and shut down by `FS_IOC_SHUTDOWN` without a flush of its journal.
`kill -9` proves nothing of the kind: what a process has written survives it in the page cache.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol
from urllib.parse import quote

import psycopg
import pytest
from tests.postgres.servers import children, runs, until

from refold.testing.nats import NatsNode
from refold.testing.ports import free_ports
from refold.testing.postgres import binaries_for, database_owner

_SHUTDOWN: Final = 0x8004587D  # _IOR('X', 125, u32) of the kernel's uapi, the same for ext4, xfs and btrfs
_NO_LOG_FLUSH: Final = 2


class Disk:
    """A file system that is mounted."""

    def __init__(self, image: Path, place: Path, megabytes: int) -> None:
        self._image, self.place = image, place
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        place.mkdir()
        _run("mkfs.ext4", "-q", "-F", "-m", "0", image)  # no space is kept for root
        self._mount()

    def cut(self) -> None:
        """From now on nothing reaches it, and every call says so."""
        opened = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(opened, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(opened)

    def restore(self) -> None:
        """The power is back; whoever had files open there has closed them."""
        self.release()
        self._mount()

    def release(self) -> None:
        """Unmount it."""
        until("nobody has files open there", self._is_free)

    def _is_free(self) -> bool:
        return subprocess.run(["umount", self.place], capture_output=True, check=False).returncode == 0

    def _mount(self) -> None:
        _run("mount", "-o", "loop", "-t", "ext4", self._image, self.place)


class OnDisk(Protocol):
    """A server whose data are on a disk."""

    @property
    def url(self) -> str:
        """Its store."""
        ...

    def kill(self) -> None:
        """End it at once, all its processes."""
        ...

    def start(self) -> None:
        """Start it, and wait until it answers."""
        ...


@contextmanager
def disk(megabytes: int = 256) -> Generator[Disk]:
    """One for the time of a block; where this machine forbids it, the test is skipped and says why."""
    with tempfile.TemporaryDirectory(prefix="refold-disk-", dir="/tmp") as place:
        Path(place).chmod(0o755)  # servers run as somebody else
        try:
            made = Disk(Path(place) / "image", Path(place) / "disk", megabytes)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no power can be cut here, since this machine mounts no file system of ours: {error}")
        try:
            yield made
        finally:
            made.release()


class _Postgres:
    def __init__(self, place: Path, settings: Sequence[str], environment: Mapping[str, str]) -> None:
        self._place, self._owner, self._environment = place, database_owner(), {**os.environ, **environment}
        self._options = [part for setting in settings for part in ("-c", setting)]
        for name in ("data", "s"):
            (place / name).mkdir(mode=0o700)
            if self._owner:
                os.chown(place / name, self._owner["user"], self._owner["group"])
        command = [self._program("initdb"), "-D", str(place / "data"), "-A", "trust", "-U", "postgres", "-E", "UTF8"]
        subprocess.run([*command, "--locale=C"], check=True, capture_output=True, cwd="/", **self._owner)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={quote(str(self._place / 's'), safe='')}&busy_timeout=1"

    def start(self) -> None:
        where = ["-D", str(self._place / "data"), "-k", str(self._place / "s"), "-h", ""]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - the server's
        self._process = subprocess.Popen(
            [self._program("postgres"), *where, *self._options],
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            cwd="/",
            start_new_session=True,
            env=self._environment,
            **self._owner,
        )
        until("the server answers", self._answers)

    def kill(self) -> None:
        """All of it: a session that outlives the server by a moment holds its memory, and the next one does not start."""
        self._said.close()
        if self._process.poll() is not None:  # by itself; its number may be somebody else's by now
            return
        self._process.send_signal(signal.SIGSTOP)  # so that it begins no other
        family = [self._process.pid, *children(self._process.pid)]
        for each in family:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        self._process.wait(30)
        until("all of the server has ended", lambda: not any(map(runs, family)))

    def _program(self, name: str) -> str:
        return str(binaries_for(self._owner) / name)

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            self._said.seek(0)
            raise AssertionError(f"the server has ended: {self._said.read()[-2000:].decode()}")
        try:
            psycopg.connect(host=str(self._place / "s"), user="postgres", dbname="postgres").close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgres_on(
    place: Path, settings: Sequence[str] = (), environment: Mapping[str, str] = MappingProxyType({})
) -> Generator[OnDisk]:
    """A server that waits for the disk, unless its settings say otherwise, as `name=value`; with more in its environment."""
    server = _Postgres(place, settings, environment)
    try:
        server.start()
        yield server
    finally:
        server.kill()


class _Nats(NatsNode):
    @property
    def url(self) -> str:
        return f"{super().url}/power?busy_timeout=1"

    def start(self) -> None:
        super().start()
        self.ready()
        _run("sync", "-f", self._place)  # its configuration is written once


@contextmanager
def nats_on(place: Path, sync: str) -> Generator[OnDisk]:
    """A server that writes through to the disk so often: "always" at each message, or a time, as "2m"."""
    server = _Nats(place / "n", "alone", free_ports(1)[0], sync)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _run(*command: object) -> None:
    subprocess.run([str(part) for part in command], capture_output=True, check=True)
