"""A log of all that SQLite does to its files, and the images that a power cut may leave of them, made from the log.

What was synced is there. Of what was written since, any part may be: writes may be missing, or be there by half.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

from tests.faults.filecalls import WHOLE, Call, Made

Files: TypeAlias = Mapping[str, bytes]
PIECES: Final = (512, 4096)
"""A sector, and a page: what a disk writes whole."""


@dataclass(frozen=True)
class Image:
    """Files as a power cut leaves them, and the last position that was acknowledged before it."""

    files: Files
    acknowledged: int

    def put(self, folder: Path) -> None:
        """Make a folder hold these files and no others."""
        for old in folder.iterdir():
            old.unlink()
        for path, content in self.files.items():
            (folder / Path(path).name).write_bytes(content)


class WriteLog:
    """Every call as it is made, and what was acknowledged in between."""

    def __init__(self) -> None:
        self.entries: list[Call | int] = []

    def asked(self, call: Call) -> Made:
        """Write it down."""
        self.entries.append(call)
        return WHOLE

    def acknowledged(self, position: int) -> None:
        """An append up to this position was told to be done."""
        self.entries.append(position)

    def images(self, random: Random, count: int) -> Iterator[Image]:
        """So many: two at each sync, with nothing and all of what was written since the last, and others in between."""
        syncs = [at for at, entry in enumerate(self.entries) if isinstance(entry, Call) and entry.kind == "sync"]
        syncs = random.sample(syncs, min(len(syncs), count // 2))  # all of them, if there are to be enough
        between = sorted(random.choices(range(len(self.entries)), k=count - 2 * len(syncs)))
        disk, acknowledged = _Disk(), 0
        for at, entry in enumerate(self.entries):
            if at in syncs:
                yield from (Image(disk.left(_Fate(random, share)), acknowledged) for share in (0.0, 1.0))
            while between and between[0] == at:
                between.pop(0)
                share = random.choice((0.1, 0.5, 0.9, 1.0))
                yield Image(disk.left(_Fate(random, share, piece=random.choice(PIECES))), acknowledged)
            if isinstance(entry, Call):
                disk.do(entry)
            else:
                acknowledged = entry


@dataclass(eq=False)
class _File:
    """What is on the disk, and what was done to it since."""

    synced: bytearray = field(default_factory=bytearray)
    since: list[Call] = field(default_factory=list)

    def sync(self) -> None:
        for call in self.since:
            _done(self.synced, call)
        self.since = []

    def left(self, fate: _Fate) -> bytes:
        content = bytearray(self.synced)
        for call in self.since:
            for part in fate.of(call):
                _done(content, part)
        return bytes(content)


class _Disk:
    """Files by name, as who has not lost power sees them, and as they are on the disk."""

    def __init__(self) -> None:
        self._seen: dict[str, _File] = {}
        self._there: dict[str, _File] = {}

    def do(self, call: Call) -> None:
        match call.kind:
            case "delete":
                self._seen.pop(call.path, None)
                if call.size:
                    self._there.pop(call.path, None)
            case "sync":
                self._file(call.path).sync()
                self._there = dict(self._seen)  # names are written through with it
            case "write" | "truncate":
                self._file(call.path).since.append(call)
            case "open":
                pass

    def _file(self, path: str) -> _File:
        return self._seen.setdefault(path, _File())

    def left(self, fate: _Fate) -> Files:
        names = fate.choose(self._there, self._seen)
        return {path: file.left(fate) for path, file in names.items()}


class _Fate:
    """What becomes of all that was not synced: this share of it is there; the rest is not, or in pieces."""

    def __init__(self, random: Random, share: float, piece: int = 0) -> None:
        self._random, self._share, self._piece = random, share, piece

    def choose(self, there: dict[str, _File], seen: dict[str, _File]) -> dict[str, _File]:
        return seen if self._random.random() < self._share else there

    def of(self, call: Call) -> Iterator[Call]:
        if self._random.random() < self._share:
            yield call
        elif self._piece and call.kind == "write" and self._random.random() < 0.5:
            yield from (part for part in _pieces(call, self._piece) if self._random.random() < 0.5)


def _pieces(call: Call, size: int) -> Iterator[Call]:
    """A write in parts, which end where those of the disk do."""
    end = call.offset + len(call.data)
    cuts = [call.offset, *range(call.offset // size * size + size, end, size), end]
    for start, stop in pairwise(cuts):
        yield call._replace(offset=start, data=call.data[start - call.offset : stop - call.offset])


def _done(content: bytearray, call: Call) -> None:
    if call.kind == "truncate":
        del content[call.size :]
        return
    if len(content) < call.offset:
        content.extend(bytes(call.offset - len(content)))  # a hole reads as zeros
    content[call.offset : call.offset + len(call.data)] = call.data
