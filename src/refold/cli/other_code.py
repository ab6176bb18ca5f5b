"""Other code of the same application, from a directory or a revision of its git repository, run in a process of its own.

So two versions of one module never meet. The other process is `refold.cli.folding`.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any

import msgspec

from refold.cli.edits import ToldEdits
from refold.errors import UsageError


class Asked(msgspec.Struct, frozen=True, tag="states"):
    """What the other process is to fold: a stream up to a version, edited, by the app of this name."""

    store: str
    archive: str | None
    stream: str
    app: str
    until: int
    edits: ToldEdits

    def __str__(self) -> str:
        return f"fold {self.stream}"

    def has_all(self, told: int) -> bool:
        """Whether so many answers are all: one before the first event, and one after each version."""
        return told == self.until + 1


class AskedDecisions(msgspec.Struct, frozen=True, tag="decisions"):
    """What the other process is to decide again: the kept commands of a stream, a category or all, up to a position."""

    store: str
    archive: str | None
    app: str
    subject: str | None
    until: int

    def __str__(self) -> str:
        return f"decide again upon what {self.subject or 'the store'} keeps"

    def has_all(self, told: int) -> bool:
        """Nobody knows beforehand how many there are."""
        return told >= 0


@contextmanager
def directory_of(code: str) -> Generator[Path]:
    """The directory with other code: this one, or that of a git revision, which stands where the working directory does.

    Raises:
        UsageError: it is neither.
    """
    if Path(code).is_dir():
        yield Path(code).resolve()
        return
    commit = _git(code, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{code}^{{commit}}").decode().strip()
    top, prefix = (_git(code, "rev-parse", option).decode().strip() for option in ("--show-toplevel", "--show-prefix"))
    with TemporaryDirectory(prefix="refold-") as directory:
        with tarfile.open(fileobj=BytesIO(_git(code, "-C", top, "archive", commit))) as archive:
            archive.extractall(directory, filter="data")
        if not (Path(directory) / prefix).is_dir():
            raise UsageError(f"--code {code!r}: this directory, {prefix!r}, was not there in that revision.")
        yield Path(directory) / prefix


def _git(code: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)  # noqa: S603, S607 - the user's git
    except FileNotFoundError as error:
        raise UsageError(f"--code {code!r} is no directory, and there is no git to ask for a revision.") from error
    if done.returncode:
        raise UsageError(f"--code {code!r} is neither a directory nor a revision of a git repository here.")
    return done.stdout


@contextmanager
def told_by(directory: Path, asked: Asked | AskedDecisions) -> Generator[Iterator[Any]]:
    """What the code there answers, as JSON: the states before the first event and after each, or the decisions.

    It is loaded there, and opens the store from here, where the store, its keys and its archive are what the command says.

    Raises:
        UsageError: it cannot be loaded, or fails; with what it said.
    """
    command = [sys.executable, "-P", "-B", "-m", "refold.cli.folding", str(Path.cwd())]
    with TemporaryFile() as complaints:
        process = subprocess.Popen(  # noqa: S603 - this very Python
            command, cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints
        )
        with process:
            try:
                yield _answers(process, asked, directory, complaints)
            finally:
                process.kill()  # it may have been asked for less than it tells


def _answers(
    process: subprocess.Popen[bytes], asked: Asked | AskedDecisions, directory: Path, complaints: IO[bytes]
) -> Iterator[Any]:
    assert process.stdin  # noqa: S101 - they are pipes
    assert process.stdout  # noqa: S101
    with suppress(BrokenPipeError), process.stdin as asking:  # whoever has ended already has said why
        asking.write(msgspec.json.encode(asked))
    told = 0
    for line in process.stdout:
        yield msgspec.json.decode(line)
        told += 1
    if process.wait() or not asked.has_all(told):
        complaints.seek(0)
        said = complaints.read().decode(errors="replace").strip()
        raise UsageError(f"the code in {directory} cannot {asked}: {said.splitlines()[-1] if said else 'it ended'}")
