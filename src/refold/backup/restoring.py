"""Restore a backup where nothing is, and see that the store there is what the backup says."""

from __future__ import annotations

import time
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from refold.archive.threaded import stepped
from refold.backup import archives
from refold.backup.manifest import Manifest, Part
from refold.backup.sealed import Backup, opened
from refold.backup.sources import Kind, kind_of, same_kind
from refold.errors import BackupDamaged, NewerFormat
from refold.flows.contents import Contents, Tell, Whole, contents, damages


class Restored(Struct, frozen=True):
    """A backup that was restored, and is what it was."""

    backup: str
    manifest: Manifest
    seconds: float


def restore(path: Path, url: str, archive: str | None, tell: Tell) -> Restored:
    """Restore a backup to a URL where nothing is; the rest as `restore_to`."""
    return restore_to(path, kind_of(url), archive, tell)


def restore_to(path: Path, kind: Kind, archive: str | None, tell: Tell) -> Restored:
    """Restore a backup to a place where nothing is; `archive` is the new directory for the store's archive, if it is in it.

    Raises:
        Refused: something is there. BackupDamaged: the backup is not what was written; nothing was restored.
        UsageError: it is no backup, or of another kind of store. NewerFormat: a newer Refold made it.
        StoreFull: no space is left. StoreError: nothing can be written there.
    """
    began = time.perf_counter()
    with opened(path) as backup:
        manifest, part = backup.manifest, checked(backup, kind, archive)

        def look(backend: Whole) -> None:
            _compare(backup, kind, backend, tell)
            if archive is not None:
                archives.put_back(backup, archive, backend, tell)

        kind.restored(lambda to: backup.take_out(part, to, tell), look)
    return Restored(str(path), manifest, round(time.perf_counter() - began, 3))


def checked(backup: Backup, kind: Kind, archive: str | None) -> Part:
    """The store in a backup, which can be restored to that place.

    Raises:
        Refused, UsageError, NewerFormat, BackupDamaged: it cannot.
    """
    source = backup.manifest.source
    same_kind(kind, source.backend, source.place)
    if source.format > kind.format:
        raise NewerFormat(f"the store in backup {str(backup.path)!r}", source.format, kind.format)
    kind.check_free(source.place)
    archives.check_free(backup, archive)
    part = backup.manifest.part(kind.member)
    if part is None:
        raise BackupDamaged(str(backup.path), f"{kind.member!r}, which the store is in, is no part of it")
    return part


def _compare(backup: Backup, kind: Kind, backend: Whole, tell: Tell) -> None:
    path, manifest = str(backup.path), backup.manifest
    if found := stepped(damages(backend, tell)):
        raise BackupDamaged(path, f"the store in it is damaged: {found[0].problem}")
    held, expected = stepped(contents(backend, tell)), manifest.contents
    if manifest.source.format < kind.format:  # which may have moved what it counts beside the events
        held = replace(held, rows=expected.rows)
    if held != expected:
        raise BackupDamaged(path, f"the store in it is not what its manifest says: {_first(held, expected)}")


def _first(held: Contents, expected: Contents) -> str:
    name = next(name for name in held.__struct_fields__ if getattr(held, name) != getattr(expected, name))
    return f"{name} is {getattr(held, name)}, should be {getattr(expected, name)}"
