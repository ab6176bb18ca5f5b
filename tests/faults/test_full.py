"""A file that may not grow: of a group those that fit are done, and a projection stands where it stood."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from refold import AsyncStore, Projection, RawEvent, Recorded, Statement, Store, StoreFull, sql
from refold.backends.sqlite import SqliteBackend
from refold.testing.contract.base import outcomes
from refold.testing.contract.sample import EVENTS, Noted

pytestmark = pytest.mark.guarantee("G14")


def big(i: int) -> list[RawEvent]:
    return [RawEvent("X", {"n": i, "part": part, "text": "x" * 3_000}) for part in range(2)]


def limit(store: Store | AsyncStore, pages: int) -> None:
    """Let the file grow to so many pages and no further."""
    engine: Any = store._engine
    engine._writer.backend._db.pragma("max_page_count", pages)


def numbers(store: Store) -> list[int]:
    return [event.data.data["n"] for event in store.read()]


def filled(store: Store) -> int:
    """Append until it is full; how many appends were done."""
    for i in range(10_000):
        try:
            store.append(f"a-{i % 3}", big(i))
        except StoreFull:
            return i
    raise AssertionError("it never became full")


def test_a_full_file_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/store.db", events=EVENTS) as store:
        limit(store, 60)
        done = filled(store)
        assert numbers(store) == [i for i in range(done) for _ in range(2)]
        assert [list(damages) for _, damages in store.verify()] == [[]]

        limit(store, 1_000)
        store.append("a-0", big(done))
        assert numbers(store)[-1] == done


async def test_in_a_group_those_that_fit_are_done_and_the_others_are_told(tmp_path: Path) -> None:
    async with await AsyncStore.open(f"sqlite:///{tmp_path}/store.db", events=EVENTS) as store:
        limit(store, 60)
        results = await outcomes(*(store.append(f"a-{i}", big(i)) for i in range(64)))
        stored = {event.data.data["n"] async for event in store.read()}
        assert {type(result) for result in results if isinstance(result, Exception)} == {StoreFull}
        assert stored == {i for i, result in enumerate(results) if not isinstance(result, Exception)}
        assert 0 < len(stored) < 64


def test_a_projection_that_finds_no_space_stands_where_it_stood(tmp_path: Path) -> None:
    projection = Projection("copies", schema="create table copies (n integer, text text)")

    @projection.on(Noted)
    def copy(event: Recorded[Noted]) -> Iterator[Statement]:
        yield sql("insert into copies values (1, :text)", text="x" * 100_000)

    with Store.open(f"sqlite:///{tmp_path}/store.db", events=EVENTS) as store:
        store.append("a-1", [Noted(str(i)) for i in range(20)])
        limit(store, 100)
        with pytest.raises(StoreFull):
            store.catch_up(projection)
        assert store.query("select count(*) from copies") == [(0,)]
        limit(store, 10_000)
        assert store.catch_up(projection) == 20


def test_a_read_model_kept_inline_misses_nothing_after_a_commit_that_found_no_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projection = Projection("notes", schema="create table notes (text text)")

    @projection.on(Noted)
    def note(event: Recorded[Noted]) -> Iterator[Statement]:
        yield sql("insert into notes values (:text)", text=event.data.text)

    def full(backend: SqliteBackend) -> None:
        raise StoreFull("no space is left for it")

    with Store.open(f"sqlite:///{tmp_path}/store.db", events=EVENTS) as store:
        inline = store.inline(projection)
        with monkeypatch.context() as patched:
            patched.setattr(SqliteBackend, "commit", full)
            with pytest.raises(StoreFull):
                inline.append("note-1", [Noted("lost")])
        inline.append("note-1", [Noted("kept")])
        assert store.query("select text from notes") == [("kept",)]
