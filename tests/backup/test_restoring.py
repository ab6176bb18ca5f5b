"""A restored backup is the store as it was at one moment, and goes on from there."""

from __future__ import annotations

import errno
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace
from tests.archive.books import archived, raw, write_books
from tests.archive.books import opened as backend_with_archive
from tests.backup.shop import beside, build, goes_on, left_in, opened, rows_of, silent

from refold import RawEvent, Refused, Store, StoreCorrupt, Unsupported, UsageError
from refold.backends.sqlite.connection import FORMAT
from refold.backup import drafts
from refold.backup.drilling import drill
from refold.backup.making import back_up
from refold.backup.restoring import restore
from refold.backup.sealed import opened as opened_backup
from refold.backup.sealed import pack
from refold.errors import ArchiveDamaged, BackupDamaged, NewerFormat
from refold.flows.contents import Since

pytestmark = pytest.mark.guarantee("G10")


def built(folder: Path) -> str:
    url = f"sqlite:///{folder}/shop.db"
    build(url)
    return url


def test_a_restored_store_is_the_one_that_was_backed_up_and_goes_on(tmp_path: Path) -> None:
    url, backup, again = built(tmp_path), tmp_path / "shop.backup", f"sqlite:///{tmp_path}/again.db"
    before, around = rows_of(url), beside(url)
    assert around["timers"]

    made = back_up(url, backup, None, silent)
    restored = restore(backup, again, None, silent)

    assert restored.manifest == made.manifest
    assert (made.manifest.contents.head, made.bytes) == (len(before), backup.stat().st_size)
    assert (rows_of(again), beside(again)) == (before, around)
    goes_on(again)
    assert rows_of(again, until=len(before)) == before
    assert left_in(tmp_path) == ["again.db", "shop.backup", "shop.db"]


def test_a_drill_says_what_would_be_lost(tmp_path: Path) -> None:
    url, backup = built(tmp_path), tmp_path / "shop.backup"
    head = back_up(url, backup, None, silent).manifest.contents.head
    assert drill(backup, url, silent).lost == Since()
    with opened(url) as store:
        for n in range(3):
            store.append(f"note-{n % 2}", [RawEvent("noted", {"n": n})])
        later = [event.recorded_at for event in store.read(after=head)]

    tried = drill(backup, url, silent)

    micros = [int(moment.timestamp() * 1_000_000) for moment in later]
    assert (tried.live_head, tried.differs_at) == (head + 3, None)
    assert (tried.lost.events, tried.lost.streams) == (3, 2)
    assert abs((tried.lost.first_recorded_at or 0) - micros[0]) <= 1
    assert min(tried.restored_in, tried.compared_in) > 0
    assert left_in(tmp_path) == ["shop.backup", "shop.db"]


def test_a_drill_finds_that_the_backup_is_of_another_store(tmp_path: Path) -> None:
    url, backup, other = built(tmp_path), tmp_path / "shop.backup", f"sqlite:///{tmp_path}/other.db"
    back_up(url, backup, None, silent)
    with Store.open(other, events=[RawEvent]) as store:
        store.append("a-1", [RawEvent("t", {})])
    assert drill(backup, other, silent).differs_at == 1


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    url, backup = built(tmp_path), tmp_path / "shop.backup"
    back_up(url, backup, None, silent)
    whole, live = backup.read_bytes(), rows_of(url)
    (tmp_path / "left.db-wal").write_bytes(b"of another store")
    for attempt, named in (
        (lambda: back_up(url, backup, None, silent), "shop.backup"),
        (lambda: restore(backup, url, None, silent), "shop.db"),
        (lambda: restore(backup, f"sqlite:///{tmp_path}/left.db", None, silent), "left.db-wal"),
    ):
        with pytest.raises(Refused, match=named):
            attempt()
    assert (backup.read_bytes(), rows_of(url)) == (whole, live)


@pytest.mark.parametrize(
    "url",
    ["memory://", "sqlite:///:memory:", "nats://localhost/shop", "postgresql://localhost/x?models=sqlite:///m.db"],
)
def test_what_has_no_backup_is_refused_with_the_way_out(tmp_path: Path, url: str) -> None:
    with pytest.raises(Unsupported, match=r"take sqlite:///FILE|refold copy --from URL"):
        back_up(url, tmp_path / "x.backup", None, silent)
    assert left_in(tmp_path) == []


def test_a_backup_of_a_damaged_store_is_not_made(tmp_path: Path) -> None:
    url = built(tmp_path)
    with closing(apsw.Connection(f"{tmp_path}/shop.db")) as db:
        db.execute("drop trigger events_are_not_changed")
    with pytest.raises(StoreCorrupt, match="so no backup was made"):
        back_up(url, tmp_path / "shop.backup", None, silent)
    assert left_in(tmp_path) == ["shop.db"]


def test_stores_of_tenants_are_named_as_not_in_it(tmp_path: Path) -> None:
    url = built(tmp_path)
    with opened(url) as store, store.tenant("acme") as tenant:
        tenant.append("a-1", [RawEvent("t", {})])
    made = back_up(url, tmp_path / "shop.backup", None, silent)
    assert made.manifest.tenants == (f"{tmp_path}/shop.db.tenants/acme.db",)


def test_a_backup_with_the_archive_brings_back_both(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    url, place, again = f"sqlite:///{tmp_path}/books.db", tmp_path / "old", f"sqlite:///{tmp_path}/again.db"
    write_books(url, 3)
    archived(url, place)
    with backend_with_archive(url, place) as backend:
        before = raw(backend)
    made = back_up(url, tmp_path / "b.backup", str(place), silent)
    bare = back_up(url, tmp_path / "bare.backup", None, silent)
    assert made.manifest.contents == bare.manifest.contents
    assert (len(made.manifest.archive) >= 2, bare.manifest.archive) == (True, ())

    with pytest.raises(UsageError, match="name a new directory"):
        restore(tmp_path / "b.backup", again, None, silent)
    with pytest.raises(Refused, match="is there already"):
        restore(tmp_path / "b.backup", again, str(place), silent)
    restore(tmp_path / "b.backup", again, str(tmp_path / "new"), silent)

    with backend_with_archive(again, tmp_path / "new") as backend:
        assert raw(backend) == before
    assert drill(tmp_path / "b.backup", url, silent).differs_at is None

    next(place.glob("*.parquet")).unlink()
    with pytest.raises(ArchiveDamaged):
        back_up(url, tmp_path / "c.backup", str(place), silent)
    assert not (tmp_path / "c.backup").exists()


@pytest.mark.parametrize(("format", "of_store"), [(2, FORMAT), (1, FORMAT + 1)], ids=["of the backup", "of the store"])
def test_a_backup_of_a_newer_format_is_refused(tmp_path: Path, format: int, of_store: int) -> None:
    backup, newer = tmp_path / "shop.backup", tmp_path / "newer.backup"
    manifest = back_up(built(tmp_path), backup, None, silent).manifest
    with opened_backup(backup) as old:
        old.take_out(manifest.parts[0], tmp_path / "database.sqlite", silent)
    source = replace(manifest.source, format=of_store)
    told = replace(manifest, format=format, source=source)
    pack(newer, [("database.sqlite", tmp_path / "database.sqlite")], lambda _: told, silent)
    with pytest.raises(NewerFormat, match="upgrade refold"):
        restore(newer, f"sqlite:///{tmp_path}/again.db", None, silent)
    assert not (tmp_path / "again.db").exists()


def test_a_backup_of_an_older_format_is_brought_to_the_newest(tmp_path: Path) -> None:
    """A store of the format before events had digests."""
    backup, older = tmp_path / "shop.backup", tmp_path / "older.backup"
    manifest = back_up(built(tmp_path), backup, None, silent).manifest
    file = tmp_path / "database.sqlite"
    with opened_backup(backup) as new:
        new.take_out(manifest.parts[0], file, silent)
    with closing(apsw.Connection(str(file))) as db:
        db.execute("drop table refold_digests; drop view refold_returned; create view refold_returned as select 1 as x")
        db.execute("alter table events drop column digest; pragma user_version = 6")
    source = replace(manifest.source, format=6)
    pack(older, [("database.sqlite", file)], lambda parts: replace(manifest, parts=parts, source=source), silent)
    restore(older, f"sqlite:///{tmp_path}/again.db", None, silent)
    goes_on(f"sqlite:///{tmp_path}/again.db")


def test_a_backup_that_does_not_hold_what_it_says_is_refused(tmp_path: Path) -> None:
    backup, file = tmp_path / "shop.backup", tmp_path / "database.sqlite"
    manifest = back_up(built(tmp_path), backup, None, silent).manifest
    with opened_backup(backup) as right:
        right.take_out(manifest.parts[0], file, silent)
    held = manifest.contents
    lies = {
        "head": replace(held, head=held.head + 1),
        "digest": replace(held, digest="0" * 32),
        "rows": replace(held, rows={**held.rows, "timers": 0}),
    }
    for name, lie in lies.items():
        told = replace(manifest, contents=lie)
        pack(tmp_path / name, [("database.sqlite", file)], lambda _, told=told: told, silent)  # type: ignore[misc]
        with pytest.raises(BackupDamaged, match=f"is not what its manifest says: {name} is"):
            restore(tmp_path / name, f"sqlite:///{tmp_path}/again.db", None, silent)
        assert not (tmp_path / "again.db").exists()


@pytest.mark.parametrize("has_links", [True, False])
def test_what_comes_meanwhile_is_not_overwritten_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    url, backup = built(tmp_path), tmp_path / "shop.backup"
    if not has_links:
        monkeypatch.setattr("os.link", planted_failure)

    def late(stage: str, done: int, total: int) -> None:
        if stage == "pack":
            monkeypatch.setattr(drafts, "_sync", lambda _: backup.write_text("of somebody else"))

    with pytest.raises(Refused, match="is there already"):
        back_up(url, backup, None, late)
    assert (backup.read_text(), left_in(tmp_path)) == ("of somebody else", ["shop.backup", "shop.db"])
    monkeypatch.setattr(drafts, "_sync", lambda _: None)
    back_up(url, tmp_path / "second.backup", None, silent)
    with opened_backup(tmp_path / "second.backup") as looked_at:
        looked_at.check()


def planted_failure(*args: object) -> None:
    raise OSError(errno.EPERM, "this file system has no links")
