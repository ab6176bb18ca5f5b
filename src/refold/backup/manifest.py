"""What a backup says of itself."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from refold.errors import BackupDamaged, NewerFormat
from refold.flows.contents import Contents

FORMAT: Final = 1
"""Of a backup file."""


_Format = Annotated[int, Meta(ge=1)]
_Bytes = Annotated[int, Meta(ge=0, lt=1 << 62)]
_Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}\\Z")]
_Name = Annotated[str, Meta(pattern=r"^(database\.(sqlite|dump)|archive/[A-Za-z0-9_-][A-Za-z0-9_.-]*)\Z")]
_Moment = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?\+00:00\Z")]


class Part(Struct, frozen=True):
    """A file in a backup."""

    name: _Name
    bytes: _Bytes
    sha256: _Digest


class Source(Struct, frozen=True):
    """What was backed up. `format`: that of the store; `place`: the file, or the schema, without anything secret."""

    backend: Literal["sqlite", "postgresql"]
    format: _Format
    place: str


class Manifest(Struct, frozen=True):
    """What a backup holds, of what, since when. `taken_at`: the moment that it holds, ISO 8601 in UTC; `refold`: who made it.

    `tenants` names the files of tenants beside a SQLite store: stores of their own, which are not in it.
    """

    refold: str
    taken_at: _Moment
    source: Source
    contents: Contents
    parts: tuple[Part, ...]
    tenants: tuple[str, ...] = ()
    format: _Format = FORMAT

    @property
    def archive(self) -> tuple[Part, ...]:
        """The files of the store's archive, if they are in it."""
        return tuple(part for part in self.parts if part.name.startswith("archive/"))

    def part(self, name: str) -> Part | None:
        """The file of this name."""
        return next((part for part in self.parts if part.name == name), None)


class _Stamp(Struct):
    format: int


def written(manifest: Manifest) -> bytes:
    """As JSON, for people, too."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1)


def read(path: str, text: bytes) -> Manifest:
    """The manifest of the backup at a path.

    Raises:
        NewerFormat: a newer Refold wrote it. BackupDamaged: it cannot be read.
    """
    try:
        found = msgspec.json.decode(text, type=_Stamp).format
        if found > FORMAT:
            raise NewerFormat(f"backup {path!r}", found, FORMAT)
        return msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BackupDamaged(path, f"its manifest cannot be read: {error}") from error
