"""Archives: whatever was archived reads as before, is never silently missed, and comes back byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.archive.books import EVENTS, NOW, answers, archived, opened, raw, restored, write_books
from tests.archive.conftest import NewUrl

from refold import (
    ANY,
    EXISTS,
    NO_STREAM,
    AppendCondition,
    Archived,
    AsyncStore,
    Conflict,
    Forgotten,
    NewEvent,
    Personal,
    Position,
    Projection,
    Query,
    RawEvent,
    Recorded,
    Snapshots,
    Statement,
    Store,
    StoredEvent,
    StreamName,
    StreamWrite,
    SubjectForgotten,
    Unsupported,
    UsageError,
    event,
    sql,
)
from refold.archive.files import Files
from refold.archive.threaded import stepped
from refold.flows.archiving import Closed as Ended
from refold.flows.archiving import Moved, archive, closed_streams
from refold.ports import EVERYTHING, Backend, InStream, Selection, StreamCheck
from refold.testing.clock import ManualClock
from refold.testing.contract.closing import Close, Opened, Write, Written, closing

SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
THINGS = st.sampled_from("ab")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), THINGS, st.integers(0, 3)),
        st.tuples(st.just("close"), THINGS, st.just(0)),
        st.tuples(st.just("note"), st.sampled_from("12"), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.just(""), st.integers(1, 3)),
    ),
    min_size=4,
    max_size=24,
)
TAGS = (frozenset[str](), frozenset({"red"}), frozenset({"blue"}), frozenset({"red", "blue"}))


def live(store: Store, clock: ManualClock, steps: list[tuple[str, str, int]]) -> None:
    """Commands to books, the ends of their years, notes with tags, and time that passes."""
    for kind, name, number in steps:
        ledger = store.context(s=name).bind(closing)
        match kind:
            case "write":
                ledger.handle(name, Write(number))
            case "close":
                ledger.handle(name, Close(ledger.state(name)[1]))
            case "note":
                store.append(f"note-{name}", [NewEvent(RawEvent("note", {"n": number}), tags=TAGS[number])])
            case _:
                clock.move(timedelta(microseconds=number))


@settings(max_examples=10, suppress_health_check=SLOW)
@given(steps=STEPS, age=st.integers(0, 12), some=st.sets(st.integers(0, 9)))
def test_whatever_is_archived_every_answer_is_as_before_and_what_comes_back_is_as_it_was(
    new_url: NewUrl, tmp_path: Path, steps: list[tuple[str, str, int]], age: int, some: set[int]
) -> None:
    url, clock = new_url(), ManualClock()
    place = tmp_path / f"archive {next(NUMBERS)}"
    with Store.open(url, events=EVENTS, clock=clock) as store:
        live(store, clock, [*steps, ("note", "1", 1)])
    with opened(url) as backend:
        before = answers(backend)

    first = archived(url, place, clock.now() - age)
    with opened(url, place) as backend:
        assert answers(backend) == before
    rest = archived(url, place)
    with opened(url, place) as backend:
        assert answers(backend) == before
        names = sorted({row.stream for row in raw(backend)} & set(_in_archive(place)))
    back = [name for index, name in enumerate(names) if index in some]
    if back:
        assert restored(url, place, *back).streams == len(back)
        with opened(url, place) as backend:
            assert answers(backend) == before
    assert restored(url, place).streams == first.streams + rest.streams - len(back)
    with opened(url) as backend:
        assert answers(backend) == before


NUMBERS = count(1)


def _in_archive(place: Path) -> list[str]:
    manifest = stepped(Files(str(place)).manifest())
    return [] if manifest is None else list(manifest.streams)


def test_files_whose_positions_interleave_are_read_as_one(books: str, place: Path) -> None:
    with opened(books) as backend:
        before = answers(backend)
    for thing in "cab":
        archived(books, place, choose=lambda each, thing=thing: each.stream.startswith(f"book-{thing}"))  # type: ignore[misc]
    with opened(books, place) as backend:
        assert answers(backend) == before
    assert len(list(place.glob("*.parquet"))) == 3


def test_only_closed_periods_that_are_old_go(url: str, tmp_path: Path) -> None:
    clock = ManualClock()
    with Store.open(url, events=EVENTS, clock=clock) as store:
        ledger = store.bind(closing)
        ledger.handle("a", Write(1))
        ledger.handle("a", Close(1))
        old = clock.now()
        clock.move(timedelta(days=1))
        ledger.handle("a", Close(2))
        ledger.handle("b", Write(1))
        store.append("note-1", [RawEvent("note", {})])

    assert archived(url, tmp_path / "archive", old) == Moved()
    assert archived(url, tmp_path / "archive", old + 1) == Moved(1, 2)
    assert archived(url, tmp_path / "archive", clock.now() + 1) == Moved(1, 2)
    assert archived(url, tmp_path / "archive", NOW) == Moved()
    with opened(url) as backend:
        names = [each.stream for each in stepped(backend.streams("", "", 9))]
        assert names == ["book-a", "book-a@2", "book-a@3", "book-b", "note-1"]
        assert stepped(backend.read(Selection(InStream("book-b"))))


def test_the_newest_event_of_the_store_stays(url: str, tmp_path: Path) -> None:
    write_books(url, 1, "a")
    with Store.open(url, events=EVENTS) as store:
        store.append("book-a", [Written(1)])

    assert archived(url, tmp_path / "archive") == Moved()


TOTALS = Projection("totals", schema="create table totals (year integer primary key, total integer not null)")


@TOTALS.on(Written)
def add(e: Recorded[Written]) -> Iterator[Statement]:
    yield sql(
        "insert into totals values (:year, :n) on conflict (year) do update set total = totals.total + excluded.total",
        year=closing.period_of(e.stream),
        n=e.data.amount,
    )


READS: dict[str, Callable[[Store], object]] = {
    "a stream": lambda store: list(store.read("book-a")),
    "the end of a stream": lambda store: list(store.read("book-a", direction="backward", limit=1)),
    "the rest of a stream": lambda store: list(store.read("book-a", after=1)),
    "a category": lambda store: list(store.read(category="book")),
    "types": lambda store: list(store.read(query=Query.of(types=["book.closed"]))),
    "a tag": lambda store: list(store.read(query=Query.of(tags=["$period:book-a"]))),
    "a tag, or a type": lambda store: list(store.read(query=Query.of(tags=["red"]) | Query.of(types=["book.closed"]))),
    "a tag, or another": lambda store: list(
        store.read(query=Query.of(tags=["red"]) | Query.of(tags=["$period:book-a"]))
    ),
    "a story": lambda store: list(store.read(correlation_id="some")),
    "all": lambda store: list(store.read()),
    "all from the end": lambda store: list(store.read(direction="backward")),
    "an id": lambda store: store.find(UUID(int=1)),
    "a state": lambda store: store.bind(closing.decider).state("a"),
    "a state of then": lambda store: store.bind(closing).state("a", as_of=Position(2)),
    "a thing's whole story": lambda store: list(store.bind(closing).read("a")),
    "a read model that begins": lambda store: store.catch_up(TOTALS),
}


@pytest.mark.parametrize("name", READS)
def test_without_the_archive_no_read_leaves_a_hole(books: str, place: Path, name: str) -> None:
    archived(books, place)
    with Store.open(books, events=EVENTS) as store, pytest.raises(Archived) as told:
        READS[name](store)
    assert told.value.place == str(place)
    assert "open the store with archive=" in str(told.value)
    with Store.open(books, events=EVENTS, archive=str(place)) as store:
        READS[name](store)


def test_without_the_archive_whatever_misses_nothing_goes_on(books: str, place: Path) -> None:
    with Store.open(books, events=EVENTS) as store:
        head, notes = store.head(), list(store.read(query=Query.of(tags=["red"])))
        archived(books, place)

        assert store.bind(closing).state("a") == (6, 4)
        assert store.bind(closing).handle("a", Write(1)).state == (7, 4)
        assert list(store.read(query=Query.of(tags=["red"]))) == notes
        assert [e.data for e in store.read("book-a@4")] == [Opened(6, 4), Written(1)]
        assert [e.version for e in store.read(category="note")] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
        assert [e.position for e in store.read(after=head)] == [head + 1]
        assert [e.position for e in store.read(direction="backward", limit=1)] == [head + 1]
        assert [(each.stream, each.version) for each in store.streams("book-a")] == [
            ("book-a", 2), ("book-a@2", 3), ("book-a@3", 3), ("book-a@4", 2),
        ]  # fmt: skip
        assert list(store.read("book-z")) == []


def test_a_store_that_is_open_hears_of_what_is_archived_and_restored_by_others(books: str, place: Path) -> None:
    with (
        Store.open(books, events=EVENTS) as without,
        Store.open(books, events=EVENTS, archive=str(place)) as store,
    ):
        everything = list(store.read())
        archived(books, place, choose=lambda each: each.stream == "book-b")
        assert list(store.read()) == list(store.read()) == everything
        with pytest.raises(Archived, match="'book-b' is in the archive"):
            list(without.read())
        archived(books, place)
        assert list(store.read()) == everything
        restored(books, place)
        assert list(store.read()) == list(without.read()) == everything


@pytest.mark.parametrize("read", ["page", "payloads", "find"])
@pytest.mark.parametrize("has_archive", [False, True], ids=["without", "with"])
def test_what_is_archived_or_restored_in_the_middle_of_a_read_is_not_missed(
    books: str, place: Path, read: str, has_archive: bool
) -> None:
    selection = Selection(EVERYTHING)
    with opened(books, place if has_archive else None) as backend:
        rows = raw(backend)

        def asked() -> object:
            match read:
                case "page":
                    return list(stepped(backend.read(selection)))
                case "payloads":
                    return list(stepped(backend.payloads("book-a", 0, None)))
                case _:
                    return list(stepped(backend.find([row.id for row in rows])))

        before, live = asked(), {name: getattr(backend, f"live_{name}") for name in ("rows", "payloads", "find")}

        def meanwhile(change: Callable[[], object]) -> None:
            """Change the store once, when the rows are there and nothing else was looked at yet."""
            left = [change]

            def wrapped(name: str) -> Callable[..., Any]:
                async def call(*args: object, **options: object) -> object:
                    found = await live[name](*args, **options)
                    if left:
                        left.pop()()
                    return found

                return call

            for name in live:
                setattr(backend, f"live_{name}", wrapped(name))

        archived(books, place)
        meanwhile(lambda: restored(books, place))  # the rows were not there, and are back when it looks
        assert asked() == before
        meanwhile(lambda: archived(books, place))
        with nullcontext() if has_archive or read != "page" else pytest.raises(Archived):
            assert asked() == before


def test_conditions_hold_on_archived_events(books: str, place: Path) -> None:
    conditions = [
        AppendCondition(Query.of(types=["book.closed"]), Position(0)),
        AppendCondition(Query.of(tags=["$period:book-a"]), Position(0)),
        AppendCondition(Query.of(types=["book.opened"], tags=["$period:book-a"]), Position(0)),
    ]

    def judged() -> list[int]:
        with Store.open(books, events=EVENTS) as store:
            found: list[int] = []
            for condition in conditions:
                with pytest.raises(Conflict) as told:
                    store.append("note-2", [RawEvent("note", {})], condition=condition)
                found += [failure.actual for failure in told.value.failures]
            return found

    before = judged()
    assert archived(books, place).streams == 9
    assert judged() == before
    with Store.open(books, events=EVENTS) as store:
        note = [StreamWrite("note-2", [RawEvent("note", {})])]
        for wrong in (NO_STREAM, 1, 3):
            with pytest.raises(Conflict, match="'book-a' is at version 2"):
                store.append_all(note, checks=[StreamCheck("book-a", wrong)])
        for right in (ANY, EXISTS, 2):
            store.append_all(note, checks=[StreamCheck("book-a", right)])


@pytest.mark.parametrize("has_archive", [False, True], ids=["without", "with"])
def test_nothing_is_appended_to_an_archived_stream(books: str, place: Path, has_archive: bool) -> None:
    archived(books, place)
    with Store.open(books, events=EVENTS, archive=str(place) if has_archive else None) as store:
        head = store.head()
        for expected in (ANY, NO_STREAM, EXISTS, 2, 7):
            with pytest.raises(Archived, match="Nothing was written") as told:
                store.append("book-a", [Written(1)], expected=expected)
            assert (told.value.stream, told.value.is_written) == ("book-a", True)
        with pytest.raises(Archived):
            store.append_all([StreamWrite("note-1", [RawEvent("note", {})]), StreamWrite("book-a", [Written(1)])])
        assert store.head() == head
        assert restored(books, place, "book-a").streams == 1
        store.append("book-a", [Written(1)], expected=2)
    assert archived(books, place).streams == 0  # it holds the newest event
    with Store.open(books, events=EVENTS, archive=str(place)) as store:
        store.append("note-1", [RawEvent("note", {})])
        everything = list(store.read())
        assert archived(books, place) == Moved(1, 3)
        assert list(store.read()) == everything


async def _by_tasks(books: str, place: Path) -> list[list[Recorded[Any]]]:
    async with await AsyncStore.open(books, events=EVENTS, archive=str(place)) as store:
        first = [e async for e in store.read("book-a")]
        read = [
            first,
            [e async for e in store.read()],
            [e async for e in store.read(category="book", direction="backward")],
            [e async for e in store.read(query=Query.of(types=["book.closed"]))],
            list(await store.find(first[0].id)),
        ]
        assert await store.bind(closing).state("a", as_of=first[0].position) == (1, 1)
        return read


def test_the_awaiting_face_reads_the_same(books: str, place: Path) -> None:
    before = asyncio.run(_by_tasks(books, place))
    archived(books, place)
    assert asyncio.run(_by_tasks(books, place)) == before


def test_read_models_are_built_from_archived_events_as_before(books: str, place: Path) -> None:
    rows = "select year, total from totals order by year"
    with Store.open(books, events=EVENTS, archive=str(place)) as store:
        store.catch_up(TOTALS)
        before = list(store.query(rows))
        archived(books, place)
        store.model(TOTALS).rebuild()
        assert list(store.query(rows)) == before == [(1, 3), (2, 6), (3, 9)]


def test_what_a_store_does_inside_a_transaction_reads_the_archive_too(books: str, place: Path) -> None:
    with opened(books, place) as backend:
        before = raw(backend)
        archived(books, place)

        async def inside(within: Backend) -> object:
            return await within.read(Selection())

        assert stepped(backend.within(inside)) == before


def test_each_tenant_has_an_archive_of_its_own(url: str, place: Path) -> None:
    with Store.open(url, events=EVENTS, archive=str(place)) as store:
        tenant = store.tenant("acme")
        tenant.bind(closing).handle("a", Write(1))
        tenant.bind(closing).handle("a", Close(1))
        everything = list(tenant.read())

        async def move(backend: Backend) -> Moved:
            of_tenant = await backend.tenant("acme")
            streams = await closed_streams(of_tenant, NOW)
            return await archive(of_tenant, Files(str(place)).tenant("acme"), streams, NOW, "another id")

        with opened(url) as backend:
            assert stepped(move(backend)) == Moved(1, 2)
        assert list(tenant.read()) == everything
        assert list(store.read()) == []


def test_an_archive_belongs_to_one_store_and_a_store_has_one_archive(new_url: NewUrl, tmp_path: Path) -> None:
    one, other = new_url(), new_url()
    write_books(one, 1)
    write_books(other, 1)
    archived(one, tmp_path / "one")

    with pytest.raises(UsageError, match="is the archive of another store"):
        archived(other, tmp_path / "one")
    with opened(one) as backend:
        streams = [Ended("book-a@2", 1, 1)]
        with pytest.raises(UsageError, match="this store has its archive at"):
            stepped(archive(backend, Files(str(tmp_path / "two")), streams, NOW, "new"))
    restored(one, tmp_path / "one")
    assert archived(one, tmp_path / "two").streams == 3


def test_an_archive_may_be_moved(books: str, place: Path, tmp_path: Path) -> None:
    with opened(books) as backend:
        before = raw(backend)
    archived(books, place, choose=lambda each: each.stream == "book-a")
    place.rename(tmp_path / "elsewhere")

    with opened(books, tmp_path / "elsewhere") as backend:
        assert raw(backend) == before
    assert archived(books, tmp_path / "elsewhere").streams == 8
    with opened(books) as backend, pytest.raises(Archived, match="elsewhere"):
        raw(backend)


def test_only_what_is_archived_or_back_already_can_be_restored(books: str, place: Path) -> None:
    archived(books, place)
    with pytest.raises(
        UsageError, match=r"neither archived nor in the store: 'book-z', 'no name'\. `refold streams` lists"
    ):
        restored(books, place, "book-a", "note-1", "book-z", "no name")
    assert restored(books, place, "book-a", "book-a", "note-1") == Moved(1, 2)
    assert restored(books, place, "book-a", "book-a@2", "book-a@3").streams == 2
    assert restored(books, place).streams == 6
    assert restored(books, place) == restored(books, place, "book-b") == Moved()


def test_memory_has_no_archive(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="the memory backend has no archive"):
        Store.open("memory://", archive=str(tmp_path))
    with opened("memory://") as backend, pytest.raises(Unsupported, match="the memory backend has no archive"):
        stepped(closed_streams(backend, NOW))


@event("guest.registered", subject="guest")
class Guest:
    guest: str
    name: Personal[str]


def test_forgetting_is_told_though_the_archive_is_not_open(books: str, place: Path, tmp_path: Path) -> None:
    archived(books, place)
    with Store.open(with_keys(books, tmp_path), events=[*EVENTS, Guest]) as store:
        store.append("guest-1", [Guest("ann", "Ann Lee")])
        first, again = store.forget("guest:ann"), store.forget("guest:ann")
        assert (first, again) == (Forgotten("guest:ann", 1, 1, ("guest-1",), 0),) * 2
        assert [told.data for told in store.read("$forgotten-guest:ann")] == [SubjectForgotten("guest:ann")]


def test_nobody_is_forgotten_of_whom_not_all_can_be_read(url: str, place: Path, tmp_path: Path) -> None:
    ann = Guest("ann", "Ann Lee")
    with Store.open(with_keys(url, tmp_path), events=[*EVENTS, Guest]) as store:
        store.append("book-a", [NewEvent(Written(1), tags=frozenset({"guest:ann"}))])
        store.bind(closing).handle("a", Close(1))
        store.append("guest-1", [ann])
    archived(url, place)
    with Store.open(with_keys(url, tmp_path), events=[*EVENTS, Guest]) as store:
        with pytest.raises(Archived):
            store.forget("guest:ann")
        assert [told.data for told in store.read("guest-1")] == [ann]


def with_keys(url: str, directory: Path) -> str:
    """The URL of the store, whose personal data are sealed by the keys in a file."""
    return f"{url}{'&' if '?' in url else '?'}keys=sqlite:///{directory}/keys.db"


def test_a_copy_of_which_a_transform_made_more_goes_on_though_the_archive_is_not_open(
    books: str, place: Path, new_url: NewUrl
) -> None:
    def with_its_note(told: StoredEvent) -> Iterator[StoredEvent]:
        yield told
        yield replace(told, stream=StreamName("copied", "1"), type="copied", data={})

    with Store.open(books, events=EVENTS) as source, Store.open(new_url(), events=EVENTS) as target:
        source.copy_to(target, transform=with_its_note)
        before = target.head()
        archived(books, place)
        source.append("note-1", [RawEvent("note", {"n": 9})])
        assert source.copy_to(target, transform=with_its_note).written == 2
        assert [told.type for told in target.read(after=before)] == ["note", "copied"]


def test_a_copy_that_ends_in_what_was_archived_since_asks_for_the_archive(
    books: str, place: Path, new_url: NewUrl
) -> None:
    with Store.open(books, events=EVENTS) as source, Store.open(new_url(), events=EVENTS) as target:
        source.copy_to(target, transform=lambda told: [told])
        source.bind(closing).handle("c", Close(4))
        archived(books, place)
        with pytest.raises(Archived):
            source.copy_to(target, transform=lambda told: [told])


def test_a_saved_state_of_an_archived_stream_waits_for_its_events_and_is_no_fault(books: str, tmp_path: Path) -> None:
    def verdicts(place: Path | None) -> list[tuple[str, str]]:
        with Store.open(books, events=EVENTS, archive=None if place is None else str(place)) as store:
            checks = store.bind(closing.decider, snapshots=Snapshots()).check_snapshots()
        return [(check.stream, check.verdict) for check in checks]

    with Store.open(books, events=EVENTS) as store:
        for stream in ("a", "a@2", "a@4"):
            store.bind(closing.decider, snapshots=Snapshots()).snapshot(stream)
    archived(books, tmp_path / "old")
    told = [("book-a", "archived"), ("book-a@2", "archived"), ("book-a@4", "sound")]
    assert verdicts(None) == verdicts(tmp_path / "old") == told
    restored(books, tmp_path / "old", "book-a")
    assert verdicts(None) == [("book-a", "sound"), *told[1:]]
