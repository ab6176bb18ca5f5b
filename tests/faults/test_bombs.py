"""Bombs are refused at the limit: what unpacks, nests, repeats or refers without end takes little memory, and is told."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.cli.shop import build_shop
from tests.faults.bombs import BODIES, LOGS, MIB, TABLES, forged, measured

from refold.archive import parquet
from refold.archive.files import Files
from refold.archiving import ArchiveFile
from refold.arrow import files as rows
from refold.backup.restoring import restore
from refold.backup.sealed import opened
from refold.errors import ArchiveDamaged, BackupDamaged, StoreFull
from refold.eventlogs import opening

pytestmark = pytest.mark.guarantee("G12")

MOST = 200
"""MiB by which a process may grow. What is tried would take thousands."""
UNPACKS = "unpacks to more than 200 times its size"
SAYS: Mapping[str, str] = {
    "one line": "is longer than 16,777,216 bytes",
    **dict.fromkeys(
        ("blank lines", "rows", "a field", "lines of a field", "an attribute", "attributes", "objects"), UNPACKS
    ),
    "an object": UNPACKS,
    "elements": "stand more than 50 deep in each other",
    "deep": "values are nested too deeply",
    "a deep object": "it is no object of OCEL 2.0",
    "a deep event": "it is no event of OCEL 2.0",
    "a deep cell": "values are nested too deeply",
    "a number": "",
    "a number too large": "",
    "laughs": "declares a document type",
    "a file of mine": "declares a document type",
    "a document of others": "declares a document type",
}


def imported(log: Path, beside: Path) -> Sequence[str]:
    """The import of a log into a new store."""
    return ["refold", "import", str(log), "--store", f"{beside}/new.db"]


def test_logs_that_are_bombs_are_refused_in_little_memory(tmp_path: Path) -> None:
    for name, made in LOGS.items():
        (tmp_path / name).write_bytes(made())
    came = dict(zip(LOGS, measured(*(imported(tmp_path / name, tmp_path) for name in LOGS)), strict=True))
    ended = {
        name: (code, SAYS[name.partition(".")[0]] in said, grew < MOST) for name, (code, grew, said) in came.items()
    }
    assert ended == dict.fromkeys(LOGS, (6, True, True)), came
    assert "root:" not in came["a file of mine.xes"][2]


def test_tables_that_are_bombs_are_read_in_little_memory(tmp_path: Path) -> None:
    files = [tmp_path / f"{write.__name__}.parquet" for write in TABLES]
    for write, file in zip(TABLES, files, strict=True):
        write(file)
    came = measured(*(imported(file, tmp_path) for file in files))
    assert max(file.stat().st_size for file in files) < 100_000
    assert [(code, grew < MOST) for code, grew, _ in came] == [(6, True), (6, True), (6, True), (0, True)], came


def test_bodies_that_are_bombs_take_no_more_than_thirty_times_their_size(tmp_path: Path) -> None:
    for name, made in BODIES.items():
        (tmp_path / name).write_bytes(made())
    sizes = {name: (tmp_path / name).stat().st_size for name in BODIES}
    came = dict(zip(BODIES, measured(*(["body", str(tmp_path / name)] for name in BODIES)), strict=True))
    refused = {"a key twice at the end", "depth", "a number", "gzip"}
    ended = {name: (code, grew < 30 * sizes[name] / MIB + 20) for name, (code, grew, _) in came.items()}
    assert ended == {name: (400 if name in refused else 0, True) for name in BODIES}, came


def test_the_shop_is_no_bomb(tmp_path: Path) -> None:
    build_shop(tmp_path)
    shutil.copy(tmp_path / "log.csv", tmp_path / "same.csv")
    ((code, grew, said),) = measured(imported(tmp_path / "same.csv", tmp_path))
    assert (code, grew < MOST) == (0, True), said


def test_what_is_packed_well_and_is_a_log_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "PLENTY", 1_000)
    (tmp_path / "log.jsonl.gz").write_bytes(gzip.compress(b'{"stream":"a-1","type":"x","n":1}\n' * 500))
    with opening.open_log(tmp_path / "log.jsonl.gz") as log:
        assert len(list(log)) == 500


def test_a_text_that_stands_once_in_a_file_is_counted_as_often_as_it_comes() -> None:
    once = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000), pa.array(["y" * 1_000_000]))
    nested = pa.ListArray.from_arrays(pa.array([0, 1_000], pa.int32()), once)
    arrays: list[Any] = [once, nested, pa.array([1, 2])]
    assert [rows._bytes_of(pa.table({"x": each})) for each in arrays] == [10**9, 10**9 + 8, 16]


PART = {"name": "database.sqlite", "bytes": 1 << 50, "sha256": "0" * 64}
NOT_THERE = PART | {"bytes": 1}


def manifest(*parts: Mapping[str, Any]) -> bytes:
    contents = {"events": 1, "streams": 1, "head": 1, "digest": "x", "last_recorded_at": None, "rows": {}}
    source = {"backend": "sqlite", "format": 1, "place": "shop.db"}
    told = {"refold": "0", "taken_at": "2026-01-01T00:00:00+00:00", "source": source, "contents": contents, "format": 1}
    return json.dumps({**told, "parts": parts}).encode()


def test_a_manifest_of_a_backup_that_is_a_bomb_is_not_read(tmp_path: Path) -> None:
    forged(tmp_path / "b.backup", {"manifest.json": (b" " * MIB, 500)})
    ((code, grew, said),) = measured(["refold", "restore", f"{tmp_path}/b.backup", "--store", f"{tmp_path}/new.db"])
    assert (code, "more than 16,777,216 bytes" in said, grew < MOST) == (6, True, True), (grew, said)


def test_a_part_of_a_backup_that_needs_more_room_than_there_is_is_not_unpacked(tmp_path: Path) -> None:
    file = forged(tmp_path / "b.backup", {"database.sqlite": (b"x", 1), "manifest.json": (manifest(PART), 1)})
    says = r"unpacks to 1,125,899,906,842,624 bytes, and [0-9,]+ are free"
    with opened(file) as backup, pytest.raises(StoreFull, match=says):
        backup.take_out(backup.manifest.parts[0], tmp_path / "out", lambda *_: None)
    assert not (tmp_path / "out").exists()


def test_a_part_of_a_backup_that_is_larger_than_it_says_is_unpacked_no_further(tmp_path: Path) -> None:
    members = {"database.sqlite": (b"x" * MIB, 100), "manifest.json": (manifest(PART | {"bytes": 10}), 1)}
    with (
        opened(forged(tmp_path / "b.backup", members)) as backup,
        pytest.raises(BackupDamaged, match="is not what its manifest says"),
    ):
        backup.take_out(backup.manifest.parts[0], tmp_path / "out", lambda *_: None)
    assert (tmp_path / "out").stat().st_size <= MIB


@pytest.mark.parametrize("members", [{}, {"manifest.json": (manifest(NOT_THERE), 1)}], ids=["no manifest", "no part"])
def test_a_backup_in_which_something_is_missing_is_damaged(
    tmp_path: Path, members: Mapping[str, tuple[bytes, int]]
) -> None:
    forged(tmp_path / "b.backup", {"x": (b"x", 1), **members})
    with pytest.raises(BackupDamaged, match="is not in it"):
        restore(tmp_path / "b.backup", f"sqlite:///{tmp_path}/new.db", None, lambda *_: None)
    assert not (tmp_path / "new.db").exists()


def test_a_file_of_an_archive_with_other_rows_or_another_size_than_it_should_have_is_not_read(tmp_path: Path) -> None:
    content = parquet.written([])
    sha256 = hashlib.sha256(content).hexdigest()
    described = ArchiveFile("a.parquet", sha256, len(content), "a", 5, 1, 5, "0", "f")
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(ArchiveDamaged, match="it has 0 rows, not 5"):
        Files(str(tmp_path))._loaded(described)
    with (tmp_path / "a.parquet").open("ab") as more:
        more.truncate(1 << 40)  # a hole of a terabyte
    with pytest.raises(ArchiveDamaged, match="SHA-256 is another one"):
        Files(str(tmp_path))._loaded(described)
