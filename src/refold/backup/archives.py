"""The archive of a store, as part of its backup: files that never change, and the manifest that names them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import msgspec

from refold.archive.threaded import stepped
from refold.archiving import Manifest
from refold.backup.drafts import placed, workshop, writable
from refold.backup.sealed import Backup
from refold.errors import ArchiveDamaged, BackupDamaged, MissingExtra, Refused, UsageError
from refold.flows.archiving import verify_archive
from refold.flows.contents import Contents, Tell
from refold.ports import Backend, Own

FOLDER: Final = "archive/"
_MANIFEST: Final = "manifest.json"
_MOVE: Final = "update {refold}archive set place = :place"


def files_of(backend: Backend, place: str, held: Contents, folder: Path) -> list[tuple[str, Path]]:
    """The files of the archive in a directory, when each is as it was written and all that the store has recorded is there.

    Its manifest is read first: whatever it names was written before, and stays as it is.

    Raises:
        UsageError: the store has no archive. ArchiveDamaged: a file is missing, or not what it was.
    """
    if held.archive is None:
        raise UsageError(f"the store has no archive, so nothing in {place!r} belongs to it: leave --archive out.")
    manifest, copy = Path(place) / _MANIFEST, folder / _MANIFEST
    if not manifest.exists():
        raise ArchiveDamaged(place, f"{_MANIFEST} is not there")
    with writable(copy):
        shutil.copyfile(manifest, copy)
    _check(backend, place)
    names = [file.name for file in msgspec.json.decode(copy.read_bytes(), type=Manifest).files]
    return [(f"{FOLDER}{_MANIFEST}", copy), *((f"{FOLDER}{name}", Path(place) / name) for name in names)]


def _check(backend: Backend, place: str) -> None:
    try:
        from refold.archive.files import Files  # noqa: PLC0415 - pyarrow is asked for when it is needed
    except ImportError as error:
        raise MissingExtra("pyarrow", "arrow") from error
    if found := stepped(verify_archive(backend, Files(place))):
        raise ArchiveDamaged(place, f"{found[0].where}: {found[0].problem}")


def check_free(backup: Backup, place: str | None) -> None:
    """See that an archive in a backup has a place to go to, and that there is one if a place is named.

    Raises:
        Refused: something is there. UsageError: no place is named, or nothing is to go there.
    """
    has_archive = bool(backup.manifest.archive)
    if has_archive and place is None:
        raise UsageError("the backup holds the store's archive, too: name a new directory for it with --archive DIR.")
    if place is not None and not has_archive:
        raise UsageError(f"the backup holds no archive, so nothing would be in {place!r}: leave --archive out.")
    if place is not None and Path(place).exists():
        raise Refused(f"{place!r} is there already, and nothing is overwritten: choose another directory.")


def put_back(backup: Backup, place: str, backend: Backend, tell: Tell) -> None:
    """Write the archive of a backup to a new directory, check it against the store, and tell the store where it is."""
    target = Path(place)
    with workshop(target) as folder:
        draft = folder / "archive"
        draft.mkdir(backup.mode | backup.mode >> 2 & 0o111)  # whoever may read the files may list them
        for part in backup.manifest.archive:
            name = part.name.removeprefix(FOLDER)
            if Path(name).name != name:
                raise BackupDamaged(str(backup.path), f"{part.name!r} is no name of a file in an archive")
            backup.take_out(part, draft / name, tell)
        _check(backend, str(draft))
        placed(draft, target)
    stepped(backend.work([Own(_MOVE, {"place": str(target.absolute())})]))
