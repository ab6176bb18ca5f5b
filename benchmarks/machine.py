"""On what was measured: the versions, the cores, how busy they were, and that every commit waited for the disk."""

from __future__ import annotations

import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import apsw
import psycopg

from benchmarks.neighbours import Neighbour, docs_of
from benchmarks.places import Places
from refold import Store, __version__

_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "server_version")


def described(peers: Sequence[Neighbour], left_out: Sequence[str]) -> dict[str, object]:
    """All that the figures depend on and do not show; `load` is the average of the last minute before they were taken."""
    return {
        "refold": __version__,
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "sqlite of the peers": sqlite3.sqlite_version,
        "psycopg": psycopg.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": load(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "fsync_ms": round(fsync(Path(tempfile.gettempdir())), 3),
        "peers": {peer.way.name: {"versions": peer.versions, "how": docs_of(peer.way)} for peer in peers},
        "left_out": list(left_out),
    }


def load() -> float:
    """How many programs wanted a core, on average, in the last minute."""
    return round(os.getloadavg()[0], 2)


def fsync(place: Path, times: int = 50) -> float:
    """The median milliseconds of writing a page to a file and waiting for the disk."""
    took: list[float] = []
    with tempfile.TemporaryFile(dir=place) as file:
        for _ in range(times):
            file.write(b"x" * 4_096)
            file.flush()
            start = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - start) * 1e3)
    return median(took)


def durability(store: str, places: Places) -> Mapping[str, str]:
    """What makes a commit of this kind of store durable, as the store itself says it; refused if it does not."""
    with places() as place:
        url = place()
        with Store.open(url) as opened:
            assert opened.durability in {"disk", "quorum-disk"}, f"{store} does not wait for the disk"
        if store == "sqlite":
            return {"journal_mode": "wal", "synchronous": "full"}
        if store.startswith("jetstream"):
            return {"sync_interval": "always"}
        with psycopg.connect(url) as connection:
            told = {name: connection.execute(f"show {name}".encode()).fetchone() for name in _SETTINGS}
    settings = {name: str(row[0]) for name, row in told.items() if row}
    assert settings["fsync"] == settings["synchronous_commit"] == "on", (
        f"the server does not wait for the disk: {settings}"
    )
    return settings
