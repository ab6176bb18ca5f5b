"""What a backup says of itself."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec import Struct

from refold.errors import BackupDamaged, NewerFormat
from refold.flows.contents import Contents

FORMAT: Final = 1
"""Of a backup file."""


class Part(Struct, frozen=True):
    """A file in a backup."""

    name: str
    bytes: int
    sha256: str


class Source(Struct, frozen=True):
    """What was backed up. `format`: that of the store; `place`: the file, or the schema, without anything secret."""

    backend: Literal["sqlite", "postgresql"]
    format: int
    place: str


class Manifest(Struct, frozen=True):
    """What a backup holds, of what, since when. `taken_at`: the moment that it holds, ISO 8601 in UTC; `refold`: who made it.

    `tenants` names the files of tenants beside a SQLite store: stores of their own, which are not in it.
    """

    refold: str
    taken_at: str
    source: Source
    contents: Contents
    parts: tuple[Part, ...]
    tenants: tuple[str, ...] = ()
    format: int = FORMAT

    @property
    def archive(self) -> tuple[Part, ...]:
        """The files of the store's archive, if they are in it."""
        return tuple(part for part in self.parts if part.name.startswith("archive/"))


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
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupDamaged(path, f"its manifest cannot be read: {error}") from error
