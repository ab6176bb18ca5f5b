"""Archives that were damaged: what is wrong is found, and never read."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace
from tests.archive.books import archived, opened, raw, restored, write_books

from refold import ArchiveDamaged, NewerFormat, StoreFull
from refold.archive.files import Files
from refold.archive.threaded import stepped
from refold.flows.archiving import Finding, verify_archive
from refold.ports import InStream, Selection


def found(url: str, place: Path) -> list[Finding]:
    """What `verify` finds."""
    with opened(url) as backend:
        return list(stepped(verify_archive(backend, Files(str(place)))))


def file_of(place: Path) -> Path:
    """The only one."""
    (file,) = place.glob("*.parquet")
    return file


def test_one_flipped_bit_anywhere_is_found_and_nothing_of_that_file_is_read(books: str, place: Path) -> None:
    archived(books, place)
    file = file_of(place)
    whole = file.read_bytes()
    assert found(books, place) == []
    for at in Random(7).sample(range(len(whole) * 8), 40):  # noqa: S311 - the same each time
        damaged = bytearray(whole)
        damaged[at // 8] ^= 1 << (at % 8)
        file.write_bytes(damaged)
        problem = f"{file.name} is not what was written: its SHA-256 is another one"
        assert found(books, place) == [Finding(file.name, problem)]
        with opened(books, place) as backend, pytest.raises(ArchiveDamaged, match="its SHA-256 is another one"):
            stepped(backend.payloads("book-a", 0, None))
    with pytest.raises(ArchiveDamaged):
        restored(books, place)
    file.write_bytes(whole)
    assert restored(books, place).streams == 9


def test_what_stands_in_other_files_is_read_beside_a_damaged_one(books: str, place: Path) -> None:
    archived(books, place, choose=lambda each: each.stream == "book-a")
    damaged = file_of(place)
    archived(books, place)
    damaged.write_bytes(b"nothing")

    with opened(books, place) as backend:
        assert len(stepped(backend.read(Selection(InStream("book-b"))))) == 2
        with pytest.raises(ArchiveDamaged):
            raw(backend)
    assert [finding.where for finding in found(books, place)] == [damaged.name]


def test_a_forged_file_that_the_manifest_vouches_for_is_found_and_never_brought_back(books: str, place: Path) -> None:
    archived(books, place, choose=lambda each: each.stream == "book-a")
    shelf = Files(str(place))
    manifest = stepped(shelf.manifest())
    assert manifest is not None
    (old,) = manifest.files
    rows = stepped(shelf.rows(old, Selection(), {"book-a"}))
    forged = stepped(shelf.keep([row._replace(data=b'{"amount":9}') for row in rows]))
    told = {"book-a": replace(manifest.streams["book-a"], file=forged.name)}
    stepped(shelf.write_manifest(replace(manifest, files=(forged,), streams=told)))

    assert found(books, place) == [
        Finding("book-a", f"{forged.name} does not have the 2 events that the manifest says")
    ]
    with pytest.raises(ArchiveDamaged, match="is not what was archived"):
        restored(books, place)


def _without(name: str) -> Callable[[Path], None]:
    return lambda place: next(place.glob(name)).unlink()


def _with_manifest(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def damage(place: Path) -> None:
        manifest = json.loads((place / "manifest.json").read_text())
        change(manifest)
        (place / "manifest.json").write_text(json.dumps(manifest))

    return damage


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "no file": (_without("*.parquet"), "is not there"),
    "no manifest": (_without("manifest.json"), "no archive is here"),
    "half a manifest": (lambda place: (place / "manifest.json").write_text('{"id'), "manifest.json cannot be read"),  # type: ignore[dict-item]
    "another store's": (_with_manifest(lambda m: m.update(id="x")), "it is the archive of another store"),
    "a stream is not named": (_with_manifest(lambda m: m["streams"].pop("book-a")), "'book-a' is not in its manifest"),  # type: ignore[attr-defined]
    "another digest": (
        _with_manifest(lambda m: m["streams"]["book-a"].update(digest="x")),  # type: ignore[index]
        "is there with another digest than the store recorded",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_missing_or_foreign_is_told(books: str, place: Path, name: str) -> None:
    archived(books, place)
    damage, problem = DAMAGES[name]
    damage(place)

    with opened(books, place) as backend:
        with pytest.raises(ArchiveDamaged, match=problem):
            raw(backend)
        with pytest.raises(ArchiveDamaged):
            stepped(backend.payloads("book-a", 0, None))
    with nullcontext() if "another" in name else pytest.raises(ArchiveDamaged):
        assert restored(books, place, "book-a").streams == 1  # the rows are compared with what the store recorded


@pytest.mark.parametrize("name", sorted(DAMAGES.keys() - {"half a manifest"}))
def test_verify_finds_what_is_missing_or_foreign(books: str, place: Path, name: str) -> None:
    archived(books, place)
    DAMAGES[name][0](place)
    assert found(books, place) != []


def test_an_archive_of_a_newer_refold_is_left_alone(books: str, place: Path) -> None:
    archived(books, place)
    _with_manifest(lambda m: m.update(format=2))(place)
    with pytest.raises(NewerFormat, match="has format 2, this Refold reads up to 1"):
        found(books, place)


def test_the_archive_of_another_store_is_told_where_nothing_is_archived(
    books: str, place: Path, tmp_path: Path
) -> None:
    archived(books, place)
    other = f"sqlite:///{tmp_path}/other.db"
    write_books(other, 2)
    assert found(other, place) == [Finding("manifest.json", "it is the archive of another store")]
    archived(other, tmp_path / "its own")
    restored(other, tmp_path / "its own")
    assert found(other, tmp_path / "its own") == []


def test_an_empty_store_and_no_archive_are_well(url: str, place: Path) -> None:
    write_books(url, 1)
    assert found(url, place) == []
    with opened(url, place) as backend:
        assert len(raw(backend)) == 12


def test_a_full_disk_leaves_no_half_of_a_file_and_says_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFull, match="no space is left for the archive"):
        Files(str(tmp_path / "old"))._write("x.parquet", b"half of it")
    assert list((tmp_path / "old").iterdir()) == []
