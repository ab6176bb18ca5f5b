"""An archive in a directory: `manifest.json`, and the files that it names, each checked against its digest when it is read."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import msgspec

from refold.archive.parquet import Events, written
from refold.archiving import FORMAT, ArchiveFile, Manifest, digest_of
from refold.errors import ArchiveDamaged, NewerFormat, StoreError, StoreFull, StoreUnreachable
from refold.ports import Selection
from refold.rows import Row

MANIFEST: Final = "manifest.json"
OPEN: Final = 8
"""How many files are kept in memory."""


class Files:
    """The archive in a directory, which need not be there yet. Any number of threads may read it.

    `mode` is that of the file that the store is in, if it is in one: nobody else may read what is written here. Where it is in
    none, those may who may read the directory; if that is made here, its user alone.
    """

    def __init__(self, place: str, mode: int | None = None) -> None:
        self._folder, self.place, self._mode = Path(place), str(Path(place).absolute()), mode
        self._open: OrderedDict[str, Events] = OrderedDict()
        self._lock = threading.Lock()

    async def manifest(self) -> Manifest | None:
        try:
            text = (self._folder / MANIFEST).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreUnreachable(f"the archive at {self.place!r} cannot be read ({error}).") from error
        try:
            manifest = msgspec.json.decode(text, type=Manifest)
        except msgspec.DecodeError as error:
            raise ArchiveDamaged(self.place, f"{MANIFEST} cannot be read: {error}") from error
        if manifest.format > FORMAT:
            raise NewerFormat(f"archive {self.place!r}", manifest.format, FORMAT)
        return manifest

    async def write_manifest(self, manifest: Manifest) -> None:
        self._write(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1))

    async def keep(self, rows: Sequence[Row]) -> ArchiveFile:
        content = written(rows)
        sha256 = hashlib.sha256(content).hexdigest()
        category = rows[0].stream.partition("-")[0]
        name = f"{re.sub(r'[^A-Za-z0-9_]', '_', category)[:60]}-{sha256[:16]}.parquet"
        ids, positions = [row.id.hex() for row in rows], [row.position for row in rows]
        file = ArchiveFile(
            name, sha256, len(content), category, len(rows), min(positions), max(positions), min(ids), max(ids)
        )
        self._write(name, content)
        if digest_of(self._loaded(file).all()) != digest_of(rows):
            raise ArchiveDamaged(self.place, f"{name} does not read back as it was written")
        return file

    async def rows(self, file: ArchiveFile, selection: Selection, streams: Collection[str]) -> Sequence[Row]:
        return self._opened(file).page(selection, streams)

    async def find(self, file: ArchiveFile, ids: Collection[bytes]) -> Sequence[Row]:
        return self._opened(file).with_ids(ids)

    def tenant(self, name: str) -> Files:
        safe = name if re.fullmatch(r"[a-z0-9][a-z0-9_]{0,99}", name) else f"-{_short(name)}"
        return Files(str(self._folder / "tenants" / safe), self._mode)

    def _opened(self, file: ArchiveFile) -> Events:
        with self._lock:
            events = self._open.pop(file.name, None)
            if events is None:
                events = self._loaded(file)
            self._open[file.name] = events
            if len(self._open) > OPEN:
                self._open.popitem(last=False)
            return events

    def _loaded(self, file: ArchiveFile) -> Events:
        path = self._folder / file.name
        try:
            size = path.stat().st_size
            content = path.read_bytes() if size == file.bytes else b""
        except FileNotFoundError as error:
            raise ArchiveDamaged(self.place, f"{file.name} is not there") from error
        except OSError as error:
            raise StoreUnreachable(f"the archive at {self.place!r} cannot be read ({error}).") from error
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise ArchiveDamaged(self.place, f"{file.name} is not what was written: its SHA-256 is another one")
        try:
            return Events(content, file.events)
        except ValueError as error:
            raise ArchiveDamaged(self.place, f"{file.name} cannot be read: {error}") from error

    def _write(self, name: str, content: bytes) -> None:
        """Under a name of its own first, so that the name it gets is that of a whole file, whatever happens."""
        try:
            self._make_folder()
            draft = self._folder / f"{name}.{os.getpid()}.draft"
            try:
                _write_durably(
                    draft, content, self._folder.stat().st_mode & (0o666 if self._mode is None else self._mode)
                )
                draft.replace(self._folder / name)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
            _sync(self._folder)
        except OSError as error:
            raise _as_ours(error, self.place) from error

    def _make_folder(self) -> None:
        files = 0o600 if self._mode is None else self._mode
        self._folder.mkdir(
            files | files >> 2 & 0o111, parents=True, exist_ok=True
        )  # whoever may read them may list them


def _write_durably(path: Path, content: bytes, mode: int) -> None:
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, mode & 0o666)) as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _as_ours(error: OSError, place: str) -> StoreError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreFull(f"no space is left for the archive at {place!r} ({error.strerror}). The store is as it was.")
    return StoreUnreachable(f"nothing can be written to the archive at {place!r} ({error}). The store is as it was.")


def _sync(folder: Path) -> None:
    """A new name lasts when its directory reached the disk, where the system can be asked for that."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _short(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=20).hexdigest()
