"""Make a backup: copy the store at one moment, open the copy, verify and count it, and only then call it a backup."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from refold._version import __version__
from refold.archive.threaded import stepped
from refold.backup import archives, sources
from refold.backup.drafts import placed, workshop
from refold.backup.manifest import Manifest, Part, Source
from refold.backup.sealed import opened, pack
from refold.errors import StoreCorrupt
from refold.flows.contents import Contents, Tell, Whole, contents, damages


class Made(Struct, frozen=True):
    """A backup that was made. `bytes`: how large its file is."""

    backup: str
    manifest: Manifest
    bytes: int
    seconds: float


def back_up(url: str, target: Path, archive: str | None, tell: Tell) -> Made:
    """Back up the store at a URL into a new file, while others write; `archive` is the directory of its archive, to be included.

    Raises:
        Refused: the target is there already. Unsupported: this store has no backup of this kind.
        StoreCorrupt: the store is damaged, so there is nothing to trust in. StoreFull: no space is left.
        StoreError: the store cannot be read, or the target not be written.
    """
    began = time.perf_counter()
    source = sources.kind_of(url)
    with workshop(target) as folder:
        taken_at = datetime.now(UTC).isoformat()
        with source.copied(folder, tell) as (backend, files):
            held = _looked_through(backend, source.place, tell)
            members = [*files, *(archives.files_of(backend, archive, held, folder) if archive else ())]
            draft = folder / "backup"
            manifest = pack(draft, members, lambda parts: _told(source, taken_at, held, parts), tell, source.mode)
        with opened(draft) as backup:
            backup.check()
        size = draft.stat().st_size
        placed(draft, target)
    return Made(str(target), manifest, size, round(time.perf_counter() - began, 3))


def _looked_through(backend: Whole, place: str, tell: Tell) -> Contents:
    if found := stepped(damages(backend, tell)):
        raise StoreCorrupt(
            f"{place!r} is damaged ({found[0].problem}{_more(found)}), so no backup was made: `refold verify` tells all of "
            "it. Keep the last good backup."
        )
    return stepped(contents(backend, tell))


def _more(found: Sequence[object]) -> str:
    return f", and {len(found) - 1:,} more" if len(found) > 1 else ""


def _told(source: sources.Kind, taken_at: str, held: Contents, parts: tuple[Part, ...]) -> Manifest:
    return Manifest(
        __version__, taken_at, Source(source.name, source.format, source.place), held, parts, source.tenants()
    )
