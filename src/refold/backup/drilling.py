"""A drill: restore a backup into a scratch place, and say how long that takes, and what the live store has beyond it."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from msgspec import Struct

from refold.archive.threaded import stepped
from refold.backup.manifest import Manifest
from refold.backup.restoring import restore_to
from refold.backup.sealed import opened
from refold.backup.sources import kind_of, same_kind
from refold.flows.contents import Since, Tell, first_difference, since


class Drill(Struct, frozen=True):
    """What came of it.

    `lost`: what was appended after the backup, and would be lost. `differs_at`: the first position at which the backup is not
    the beginning of the live store; then it is of another one, or one of both was changed. `restored_in` and `compared_in`
    are seconds.
    """

    backup: str
    manifest: Manifest
    live_head: int
    lost: Since
    differs_at: int | None
    restored_in: float
    compared_in: float


def drill(path: Path, url: str, tell: Tell) -> Drill:
    """Try a backup, against the live store that a URL names, which is only read.

    Raises:
        BackupDamaged: it cannot be restored. UsageError: it is no backup, or of another kind of store.
        StoreReadOnly: this role may make no scratch database. StoreError: the live store cannot be read.
    """
    with opened(path) as backup:
        manifest = backup.manifest
    kind = kind_of(url)
    same_kind(kind, manifest.source.backend, manifest.source.place)
    with kind.scratch() as scratch, tempfile.TemporaryDirectory(prefix="refold-drill-") as folder:
        archive = f"{folder}/archive" if manifest.archive else None
        restored_in = restore_to(path, scratch, archive, tell).seconds
        began, head = time.perf_counter(), manifest.contents.head
        with scratch.opened(reads=True) as old, kind.opened(reads=True) as live:
            live_head = stepped(live.head())
            return Drill(
                str(path), manifest, live_head, stepped(since(live, head)), stepped(first_difference(old, live, head, tell)),
                restored_in, round(time.perf_counter() - began, 3),
            )  # fmt: skip
