"""Trouble with the disk for programs that are not ours: disktrouble.c, built here, and the plan that it follows.

For PostgreSQL, and whatever else calls the C library. A nats-server is written in Go, is bound to no library and makes its
system calls itself: nothing can be put between it and its disk in this way.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from errno import EIO
from pathlib import Path
from typing import Final, Literal, TypeAlias

import pytest

Call: TypeAlias = Literal["write", "sync", "open", "truncate"]
_NUMBERS: Final[Mapping[Call, int]] = {"write": 1, "sync": 2, "open": 3, "truncate": 4}
_PLAN: Final = struct.Struct("=6q64s")
_FAILED: Final = struct.Struct("=q")
_SOURCE: Final = Path(__file__).with_suffix(".c")


class Trouble:
    """What a program is to be told by its disk; nothing, to begin with."""

    def __init__(self, file: Path, library: Path) -> None:
        file.write_bytes(bytes(mmap.PAGESIZE))
        file.chmod(0o666)  # servers run as somebody else
        with file.open("r+b") as opened:
            self._plan = mmap.mmap(opened.fileno(), mmap.PAGESIZE)
        self.environment = {"LD_PRELOAD": str(library), "REFOLD_DISK_TROUBLE": str(file)}

    def plan(
        self, call: Call, n: int, errno: int = EIO, part: str = "", *, forever: bool = False, half: bool = False
    ) -> None:
        """Let the n-th call from now on fail, and all after it if it is `forever`, of files with this part in their path.

        `half`: of a write, half is done first.
        """
        self.end()
        whole = _PLAN.pack(0, n, errno, forever, half, 0, part.encode())
        self._plan[: len(whole)] = whole
        self._plan[:8] = _FAILED.pack(_NUMBERS[call])  # from here on it is in force

    def end(self) -> None:
        """All goes well again."""
        self._plan[:8] = bytes(8)

    @property
    def failed(self) -> int:
        """How many calls have failed by the last plan."""
        return int(_FAILED.unpack_from(self._plan, 5 * 8)[0])

    def close(self) -> None:
        """Forget the plan; the program has ended."""
        self._plan.close()


@contextmanager
def trouble() -> Generator[Trouble]:
    """For the time of a block. Where there is no compiler for C, the test is skipped and says so."""
    with tempfile.TemporaryDirectory(prefix="refold-trouble-", dir="/tmp") as place:
        Path(place).chmod(0o755)
        made = Trouble(Path(place) / "plan", _built())
        try:
            yield made
        finally:
            made.close()


def _built() -> Path:
    """The library, which is built once for each state of its source."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip(
            "a disk that makes trouble for a server takes a compiler for C, and there is neither cc nor gcc here"
        )
    digest = hashlib.blake2b(_SOURCE.read_bytes(), digest_size=8).hexdigest()
    library = Path(tempfile.gettempdir()) / f"refold-disktrouble-{os.geteuid()}-{digest}.so"
    with suppress(FileNotFoundError):
        if library.stat().st_uid == os.geteuid():  # nobody else put it there
            return library
    with tempfile.TemporaryDirectory() as place:
        new = Path(place) / "new.so"
        built = subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", new, _SOURCE, "-ldl"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if built.returncode:
            pytest.skip(f"the disk that makes trouble cannot be built here: {built.stderr.strip()}")
        new.chmod(0o755)
        shutil.move(new, library)
    return library
