"""What git tells: one pass of `git log`, read as it comes, and a few questions."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from examples.git_time_machine.events import FileAdded, FileDeleted, FileEvent, FileModified, FileRenamed
from examples.git_time_machine.paths import as_text

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_HEADER: Final = "commit %H%n%P%n%at%n%ct%n%an%n%s"

# Every option that decides what is printed is given, so that nobody's git configuration does. Merges are compared with
# their first parent, from which a line of history comes.
_LOG: Final = (
    "-c", "log.showRoot=true", "log", "--reverse", "--topo-order", f"--format=tformat:{_HEADER}", "--encoding=UTF-8",
    "--raw", "-z", "--no-abbrev", "--find-renames", "--diff-merges=first-parent", "--ignore-submodules=none",
    "--no-relative", "--no-show-signature", "--no-color",
)  # fmt: skip
_CHUNK: Final = 1 << 16


class GitFailed(Exception):
    """Git refused; its own words say why."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit, and what it changed in comparison with its first parent."""

    hash: str
    parents: tuple[str, ...]
    author: str
    authored_at: datetime
    committed_at: datetime
    subject: str
    changes: tuple[FileEvent, ...] = ()


def commits(repository: Path, tip: str, known: Iterable[str]) -> Iterator[Commit]:
    """The commits that `tip` can reach and `known` ones cannot, parents first; those that are of another repository exclude none.

    Raises:
        GitFailed: it could not be read to the end.
    """
    return parsed(_output(repository, *_LOG, *_newer(), revisions=(tip, *_except(known))))


def mainline(repository: Path, tip: str, known: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The new commits on the way of first parents from `tip`, each with its own first parent, the newest first."""
    log = ("log", "--first-parent", "--format=tformat:%H %P", "--no-show-signature", "--no-color", *_newer())
    for line in _lines(repository, *log, revisions=(tip, *_except(known))):
        commit, *parents = line.split()
        if parents:
            yield commit, parents[0]


def revisions(repository: Path, tip: str, known: Iterable[str]) -> Iterator[str]:
    """The hashes of the commits that `commits` will give."""
    return _lines(repository, "rev-list", *_newer(), revisions=(tip, *_except(known)))


def resolved(repository: Path, revision: str) -> str:
    """The hash of the commit that a revision means: a hash or the beginning of one, a branch, a tag, `HEAD~3`.

    Raises:
        GitFailed: it means none.
    """
    asked = ("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    return next(_lines(repository, *asked))


def _newer() -> tuple[str, ...]:
    return "--ignore-missing", "--stdin"  # known commits may be of another repository


def _except(known: Iterable[str]) -> Iterator[str]:
    return (f"^{commit}" for commit in known)


def _lines(repository: Path, *arguments: str, revisions: Iterable[str] = ()) -> Iterator[str]:
    yield from b"".join(_output(repository, *arguments, revisions=revisions)).decode().splitlines()


def _output(repository: Path, *arguments: str, revisions: Iterable[str] = ()) -> Iterator[bytes]:
    command = ("git", "-C", str(repository), *arguments)
    with TemporaryFile() as complaints, TemporaryFile() as asked:
        asked.write("".join(f"{revision}\n" for revision in revisions).encode())
        asked.seek(0)
        try:
            git = subprocess.Popen(command, stdin=asked, stdout=subprocess.PIPE, stderr=complaints)
        except FileNotFoundError as error:
            raise GitFailed("there is no git on this machine's PATH: install it.") from error
        with git:
            assert git.stdout is not None
            while chunk := git.stdout.read(_CHUNK):
                yield chunk
        if git.returncode:
            complaints.seek(0)
            raise GitFailed(complaints.read().decode(errors="replace").strip())


# Reading ----------------------------------------------------------------------


def parsed(chunks: Iterable[bytes]) -> Iterator[Commit]:
    """The commits in the output of `git log` with the options above."""
    parts = _parts(chunks)
    header, changes = b"", list[FileEvent]()
    for part in parts:
        if part.startswith(b"commit "):
            if header:
                yield _commit(header, changes)
            header, changes = part, []
        else:
            changes.append(_change(part.removeprefix(b"\n"), parts))
    if header:
        yield _commit(header, changes)


def _parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole


def _change(raw: bytes, paths: Iterator[bytes]) -> FileEvent:
    """One change, as under "RAW OUTPUT FORMAT" in `git help diff-tree`; its paths follow it."""
    _, mode, _, hash, status = raw.decode().split(" ")
    path = as_text(next(paths))
    match status[0]:
        case "A":
            return FileAdded(path, mode, hash)
        case "M" | "T":
            return FileModified(path, mode, hash)
        case "D":
            return FileDeleted(path)
        case "R":
            return FileRenamed(as_text(next(paths)), path, mode, hash)
        case _:
            raise GitFailed(f"git told a change of the unknown kind {status!r}, of {path}.")


def _commit(header: bytes, changes: Iterable[FileEvent]) -> Commit:
    first, parents, authored, committed, author, subject = header.decode(errors="replace").split("\n")
    return Commit(
        first.removeprefix("commit "),
        tuple(parents.split()),
        author,
        _time(authored),
        _time(committed),
        subject,
        tuple(changes),
    )


def _time(seconds: str) -> datetime:
    """Git takes any number of seconds; what no calendar holds becomes the first or last time that one does."""
    try:
        return _EPOCH + timedelta(seconds=int(seconds or 0))
    except OverflowError:
        return _FIRST if seconds.startswith("-") else _LAST
