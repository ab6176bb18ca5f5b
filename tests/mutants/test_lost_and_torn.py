"""Faults of a commit and of a disk, planted in a SQLite store: each is found by the check of the promise that it breaks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from tests.faults.crashimages import examine
from tests.faults.filecalls import NOTHING, Call, Made
from tests.faults.folders import quick_folder
from tests.faults.writelog import WriteLog
from tests.guarantees.seeding import seeded
from tests.guarantees.test_g03_outcomes import one_round
from tests.guarantees.test_g14_full_disk import filled_and_freed

from refold.backends.sqlite import writing
from refold.backends.sqlite.backend import SqliteBackend
from refold.errors import OutcomeUnknown, StoreError


class Impatient:
    """A connection that commits each event of many by itself."""

    def __init__(self, db: Any) -> None:
        self._db = db

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def executemany(self, text: str, rows: Iterable[Sequence[object]]) -> None:
        for row in rows:
            self._db.execute(text, row)
            self._db.execute("commit")
            self._db.execute("begin immediate")


@pytest.mark.mutant("autocommit-per-event")
def test_events_that_are_committed_one_by_one_are_found_in_crash_images(monkeypatch: pytest.MonkeyPatch) -> None:
    write: Any = writing._write
    monkeypatch.setattr(writing, "_write", lambda db, *of: write(Impatient(db), *of))
    found = examine(40, "disk", seeded())
    assert any("an append is there by half" in wrong for wrong in found.wrong)


@pytest.mark.mutant("autocommit-per-event")
def test_events_that_are_committed_one_by_one_are_found_on_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    write: Any = writing._write
    monkeypatch.setattr(writing, "_write", lambda db, *of: write(Impatient(db), *of))
    wrong = list[str]()
    for size in range(440_000, 560_000, 20_003):
        with quick_folder() as folder:
            wrong += filled_and_freed(f"sqlite:///{folder}/store.db", size, seed=1)[0].wrong
    assert any(re.search("is refused, and [12] of its", one) for one in wrong)


class LyingDisk(WriteLog):
    """Whoever asks for a sync is told that it is done."""

    def asked(self, call: Call) -> Made:
        return NOTHING if call.kind == "sync" else super().asked(call)


@pytest.mark.mutant("lying-fsync")
def test_a_disk_that_says_it_has_written_and_has_not_is_found_in_crash_images() -> None:
    found = examine(60, "disk", seeded(), LyingDisk)
    assert found.acknowledged > 0
    assert found.lost != []


@pytest.mark.mutant("acknowledged-before-commit")
def test_an_append_to_sqlite_that_is_told_before_its_commit_is_found_where_it_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin, commit = SqliteBackend.begin, SqliteBackend.commit

    def committed_later(self: SqliteBackend) -> None:
        """The transaction stays open until the next one is asked for."""
        if self._db.in_transaction:
            with suppress(OutcomeUnknown, StoreError):
                commit(self)
        begin(self)

    monkeypatch.setattr(SqliteBackend, "commit", lambda self: None)
    monkeypatch.setattr(SqliteBackend, "begin", committed_later)
    with quick_folder() as folder:
        trouble, _ = one_round(f"sqlite:///{folder}/store.db", Random(seeded()))  # noqa: S311 - the same for a seed
    assert any("is done, and 0 of its" in wrong for wrong in trouble.wrong)
