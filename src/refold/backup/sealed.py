"""The file of a backup: a ZIP, whose comment is the SHA-256 of every byte before it. So no byte of it can change unseen."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from refold.backup.drafts import PRIVATE, mode_of, new
from refold.backup.manifest import Manifest, Part, read, written
from refold.errors import BackupDamaged, StoreFull, StoreUnreachable, UsageError
from refold.flows.contents import Tell

MANIFEST: Final = "manifest.json"
LONGEST: Final = 16 << 20
"""Bytes of a manifest at most."""
_ENCRYPTED: Final = 1
_SEAL: Final = 64
_CHUNK: Final = 1 << 20
_BEGINS, _ENDS = b"PK\x03\x04", b"PK\x05\x06"
_COMPRESSED: Final = (".dump", ".parquet")


def pack(
    path: Path,
    members: list[tuple[str, Path]],
    manifest: Callable[[tuple[Part, ...]], Manifest],
    tell: Tell,
    mode: int = PRIVATE,
) -> Manifest:
    """Write files into a new backup of this mode, less the umask, and what `manifest` says of them."""
    total = sum(file.stat().st_size for _, file in members)
    done, parts = 0, list[Part]()
    with new(path, mode) as made, zipfile.ZipFile(made, "w", compresslevel=1) as out:
        for name, file in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_STORED if name.endswith(_COMPRESSED) else zipfile.ZIP_DEFLATED
            sha256, size = hashlib.sha256(), 0
            with file.open("rb") as source, out.open(info, "w", force_zip64=True) as member:
                for chunk in _chunks(source):
                    sha256.update(chunk)
                    member.write(chunk)
                    size += len(chunk)
                    tell("pack", done + size, total)
            done += size
            parts.append(Part(name, size, sha256.hexdigest()))
        told = manifest(tuple(parts))
        out.writestr(zipfile.ZipInfo(MANIFEST), written(told))
        out.comment = b"0" * _SEAL
    _seal(path)
    return told


def _seal(path: Path) -> None:
    with path.open("r+b") as file:
        digest = _digest(file, path.stat().st_size - _SEAL)
        file.write(digest)


def _digest(file: BinaryIO, size: int) -> bytes:
    """Of the first bytes of a file, which is left standing behind them."""
    whole = hashlib.sha256()
    while size and (chunk := file.read(min(_CHUNK, size))):
        whole.update(chunk)
        size -= len(chunk)
    return whole.hexdigest().encode()


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


class Backup:
    """A backup file, every byte of which is as it was written. What is taken out of it gets its mode, less the umask."""

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self.path, self._file, self.mode = path, file, mode_of(path)
        with _readable(path):
            self.manifest: Manifest = read(str(path), _manifest_in(path, file))
        if problem := _problem(file, self.manifest):
            raise BackupDamaged(str(path), problem)

    def take_out(self, part: Part, to: Path, tell: Tell) -> None:
        """Write one of its files to a place where nothing is.

        Raises:
            BackupDamaged: it is not what the manifest says. StoreFull: there is no room for it.
        """
        _check_room(part, to.parent)
        sha256, size = hashlib.sha256(), 0
        with _readable(self.path), self._file.open(part.name) as member, new(to, self.mode) as out:
            while size <= part.bytes and (chunk := member.read(_CHUNK)):
                sha256.update(chunk)
                out.write(chunk)
                size += len(chunk)
                tell("unpack", size, part.bytes)
        if (size, sha256.hexdigest()) != (part.bytes, part.sha256):
            raise BackupDamaged(str(self.path), f"{part.name!r} in it is not what its manifest says")

    def check(self) -> None:
        """Read all of its files again.

        Raises:
            BackupDamaged: one is not what the manifest says.
        """
        if place := _place(self._file):
            raise BackupDamaged(str(self.path), f"{place} does not read back as it was written")


@contextmanager
def _readable(path: Path) -> Generator[None]:
    """What is sealed was written so: if it cannot be read, nobody wrote it who makes backups."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BackupDamaged(str(path), f"what is packed in it cannot be read: {error}") from error


def _problem(file: zipfile.ZipFile, manifest: Manifest) -> str | None:
    """What of its table of contents no backup has, or lacks."""
    for info in file.infolist():
        if info.flag_bits & _ENCRYPTED or info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            return f"{info.filename!r} in it is packed or encrypted in a way in which no backup is"
    for part in manifest.parts:
        if part.name not in file.NameToInfo:
            return f"{part.name!r} is not in it, and its manifest says so"
    return None


def _manifest_in(path: Path, file: zipfile.ZipFile) -> bytes:
    """The manifest; what is packed well may unpack to any number of bytes."""
    if MANIFEST not in file.NameToInfo:
        raise BackupDamaged(str(path), f"{MANIFEST} is not in it")
    with file.open(MANIFEST) as member:
        text = member.read(LONGEST + 1)
    if len(text) > LONGEST:
        raise BackupDamaged(str(path), f"its {MANIFEST} has more than {LONGEST:,} bytes, which none has")
    return text


def _check_room(part: Part, folder: Path) -> None:
    """See that what a part says of its size fits, before a byte of it is written."""
    free = shutil.disk_usage(folder).free
    if part.bytes > free:
        raise StoreFull(
            f"no space is left for {part.name!r}: it unpacks to {part.bytes:,} bytes, and {free:,} are free at {str(folder)!r}. "
            "Nothing was written: make room."
        )


@contextmanager
def opened(path: Path) -> Generator[Backup]:
    """A backup, checked before anything in it is believed.

    Raises:
        BackupDamaged: a byte of it is another one, or missing; it says where, as far as that can be told.
        UsageError: it is no backup. NewerFormat: a newer Refold made it. StoreUnreachable: it cannot be read.
    """
    try:
        _check_seal(path)
        with zipfile.ZipFile(path) as file:
            yield Backup(path, file)
    except zipfile.BadZipFile as error:
        raise BackupDamaged(str(path), str(error)) from error
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise StoreUnreachable(f"there is no backup at {str(path)!r} that can be read: {error.strerror}.") from error


def _check_seal(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        is_begun = file.read(len(_BEGINS)) == _BEGINS
        file.seek(max(0, size - _SEAL - 22))
        is_ended = file.read(len(_ENDS)) == _ENDS
        if not is_begun and not is_ended:
            raise UsageError(f"{str(path)!r} is no backup: name a file that `refold backup` made.")
        if not is_ended:
            raise BackupDamaged(str(path), f"its end is missing or changed, it has {size:,} bytes: was it cut off?")
        file.seek(0)
        digest = _digest(file, size - _SEAL)
        if file.read() != digest:
            raise BackupDamaged(str(path), _damage(path))


def _damage(path: Path) -> str:
    """Where a backup is damaged, as far as can be told of a file no byte of which is sure."""
    try:
        with zipfile.ZipFile(path) as file:
            place = _place(file)
    except Exception:  # noqa: BLE001 - zipfile raises anything on what is not as it expects
        place = "its table of contents"
    return f"{place or 'a byte between its parts'} was changed: its SHA-256 is another one"


def _place(file: zipfile.ZipFile) -> str | None:
    """The first part of it that is not what it should be, and where that stands in the file."""
    told: dict[str, str] = {}
    for info in reversed(file.infolist()):  # the manifest is the last
        try:
            sha256 = hashlib.sha256()
            with file.open(info) as member:
                while chunk := member.read(_CHUNK):
                    sha256.update(chunk)
            if info.filename == MANIFEST:
                told = {part.name: part.sha256 for part in read("", _manifest_in(Path(), file)).parts}
            is_right = info.filename == MANIFEST or told.get(info.filename) == sha256.hexdigest()
        except Exception:  # noqa: BLE001 - as above
            is_right = False
        if not is_right:
            first = info.header_offset
            return f"{info.filename!r}, bytes {first:,} to {first + info.compress_size:,} of the file,"
    return None
