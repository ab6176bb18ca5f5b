"""Processes and archives: what is archived stops the one message or instance that asks for it, and no other."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.archive.books import EVENTS, archived

from refold import Process, RawEvent, Recorded, Retry, Saga, Send, Store, event
from refold.testing.clock import ManualClock
from refold.testing.contract.closing import Close, Write, Written, books, closing


@event("note.made")
class Made:
    to: str = ""


def tells(recorded: Recorded[Any], seen: int) -> Iterable[Send]:
    """Each note is written into a book."""
    yield books.send(recorded.data.to, Write(5))


def counted(seen: int, event: object) -> int:
    return seen + 1


TELLING = Process("telling", int, tells, counted, events=(Made,), retry=Retry(1))


def close_a_year_of(store: Store, *things: str) -> None:
    """A year is written and closed, the next one begun, and the store's last event is no book's."""
    for thing in things:
        ledger = store.bind(closing)
        ledger.handle(thing, Write(1))
        ledger.handle(thing, Close(1))
        ledger.handle(thing, Write(2))
    store.append("note-0", [RawEvent("note", {})])


@pytest.mark.guarantee("G18", "G21")
@pytest.mark.parametrize("has_archive", [False, True], ids=["without", "with"])
def test_a_command_to_an_archived_stream_is_parked_and_others_are_delivered(
    url: str, place: Path, has_archive: bool
) -> None:
    with Store.open(url, events=(*EVENTS, Made)) as store:
        close_a_year_of(store, "a")
        store.process(TELLING).catch_up()  # so that it need not read what is archived
    archived(url, place)
    with Store.open(url, events=(*EVENTS, Made), archive=str(place) if has_archive else None) as store:
        for number, to in enumerate("ab"):
            store.append(f"note-{number}", [Made(to)])
        instances = store.process(TELLING)
        instances.catch_up(books)
        assert store.bind(books).state("b") == (5, 1)
        (message,) = instances.outgoing()
        assert (message.target, message.state, message.attempts) == ("a", "parked", 1)
        assert message.error.startswith("Archived: stream 'book-a' is in the archive at ")
        way_out = "bring it back: `refold archive restore" if has_archive else "open the store with archive="
        assert way_out in message.error


def watching(recorded: Recorded[Any], seen: int) -> tuple[()]:
    return ()


WATCHING = Process("watching", int, watching, counted, lambda e: closing.id_of(e.stream), events=(Written,))


@pytest.mark.guarantee("G18", "G21")
def test_an_instance_whose_inputs_are_archived_is_parked_and_goes_on_with_the_archive(url: str, place: Path) -> None:
    with Store.open(url, events=EVENTS) as store:
        close_a_year_of(store, "a")
        store.process(WATCHING).catch_up()
    archived(url, place)
    with Store.open(url, events=EVENTS) as store:
        for thing in "abc":
            store.bind(closing).handle(thing, Write(3))
        instances = store.process(WATCHING)
        instances.catch_up()
        assert [(each.id, each.inputs) for each in instances.list()] == [("a", 2), ("b", 1), ("c", 1)]
        (stuck,) = instances.list(stuck=True)
        assert stuck.id == "a"
        assert "Archived" in stuck.stuck
        assert f"open the store with archive='{place}'" in stuck.stuck
    with Store.open(url, events=EVENTS, archive=str(place)) as store:
        instances = store.process(WATCHING)
        assert instances.retry("a", "with the archive").inputs == 1
        assert instances.show("a").state == 3


def test_a_step_of_a_saga_whose_beginning_is_archived_is_parked(url: str, place: Path) -> None:
    def ship(event: Written, key: str) -> None:
        raise TimeoutError

    clock = ManualClock()
    saga = Saga("shipping", Written, key=lambda e: closing.id_of(e.stream)).step(ship)
    with Store.open(url, events=EVENTS, clock=clock) as store:
        close_a_year_of(store, "a")
        store.process(saga).catch_up()
    archived(url, place)
    clock.move(timedelta(hours=1))
    with Store.open(url, events=EVENTS, clock=clock) as store:
        instances = store.process(saga)
        assert instances.catch_up().effects == 1
        (message,) = instances.outgoing()
        assert (message.state, message.error.partition(":")[0]) == ("parked", "Archived")
    with Store.open(url, events=EVENTS, clock=clock, archive=str(place)) as store:
        instances = store.process(saga)
        assert instances.retry("a", "with the archive").messages == 1
        instances.catch_up()
        (message,) = instances.outgoing()
        assert (message.state, message.error) == ("pending", "TimeoutError")
