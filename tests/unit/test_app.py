"""An app's parts have names of their own; wrong parts are told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from refold import App, Fold, Process, Projection, Saga, Store, StreamName, UsageError, after, at, cancel, effect
from refold.cli.loops import Looped
from refold.cli.parts import receivers_of
from refold.duties import Receivers
from refold.http.classes import Classes
from refold.testing import ManualClock
from refold.testing.contract.closing import Write, books, closing
from refold.testing.contract.sample import Deposited, Noted, Withdrawn, accounts, courses, notes

sold = Projection("sold")
sold.on(Deposited)(lambda event: ())
watch: Process[Noted, int] = Process("watch", int, lambda event, seen: (), lambda seen, event: seen, events=(Noted,))


def test_an_app_knows_the_events_of_its_parts_each_once() -> None:
    app = App(accounts, notes, sold, watch)
    assert (app.folds, app.projections, app.processes) == (
        {"account": accounts, "note": notes},
        {"sold": sold},
        {"watch": watch},
    )
    assert app.event_types == (Deposited, Withdrawn, Noted)


def test_a_closing_stands_for_its_decider() -> None:
    app = App(closing, accounts)
    assert (app.folds, app.closings) == ({"account": accounts, "book": books}, {"book": closing})
    assert (app.deciders, receivers_of(app, Looped())) == ({"account": accounts}, [accounts, closing])
    assert Classes(app).deciders_of(Write) == {}
    assert Receivers.of([books, closing]).deciders == Receivers.of([closing, books]).deciders == {"book": closing}
    with pytest.raises(UsageError, match="two parts of the app have the category 'book'"):
        App(closing, books)


def test_two_parts_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two parts of the app have the category 'account'"):
        App(accounts, Fold("account", int, accounts.evolve))
    with pytest.raises(UsageError, match="two parts of the app have the name 'sold'"):
        App(sold, Projection("sold"))
    with pytest.raises(UsageError, match="two parts of the app have the name 'watch'"):
        App(watch, watch)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([sold, Projection("sold")], "name 'sold'"),
        ([watch, replace(watch, version=2)], "name 'watch'"),
        ([watch, Saga("watch", Noted)], "name 'watch'"),
        ([watch, accounts, replace(accounts, initial=int)], "category 'account'"),
        ([watch, closing, replace(books)], "category 'book'"),
        ([watch, closing, replace(closing)], "category 'book'"),
        ([watch, effect("mail")(print), effect("mail")(print)], "name 'mail'"),
    ],
    ids=["projections", "processes", "a saga", "deciders", "another decider than is closed", "closings", "effects"],
)
def test_so_are_two_parts_of_one_name_that_are_run(parts: Sequence[Any], told: str) -> None:
    with Store.open("sqlite:///:memory:") as store, pytest.raises(UsageError) as refused, store.run(*parts):
        pass
    assert str(refused.value).startswith(f"two parts of what is run have the {told}: ")


def test_one_part_that_is_named_twice_is_run_once() -> None:
    mail, events = effect("mail")(print), [Noted]
    with Store.open("sqlite:///:memory:", events=events) as store:
        running = store.run(watch, watch, sold, sold, accounts, accounts, mail, mail, closing, books, closing)
        running.stop()
        assert running.join()


def test_a_projection_has_one_handler_for_one_event_and_a_version() -> None:
    with pytest.raises(UsageError, match="handles Deposited already"):
        sold.on(Deposited)(lambda event: ())
    with pytest.raises(UsageError, match="is no event"):
        sold.on(int)(lambda event: ())
    with pytest.raises(UsageError, match="has version 0: the first is 1"):
        Projection("p", version=0)


def test_a_fold_has_a_category_without_a_dash() -> None:
    with pytest.raises(Exception, match="its category 'a-b' must have a character, and no '-'"):
        Fold("a-b", int, accounts.evolve)
    assert courses.stream("a-b") == StreamName("course", "a-b")


def test_a_timer_needs_a_time_zone() -> None:
    with pytest.raises(UsageError, match="has no time zone"):
        at(datetime(2026, 1, 1), Noted("due"))  # noqa: DTZ001 - the mistake under test
    assert (after(timedelta(1), Noted("due")).delay, cancel(Noted).timeout) == (timedelta(1), Noted)


def test_a_manual_clock_moves_when_it_is_told_to() -> None:
    clock = ManualClock()
    start = clock.time
    assert clock.time == start
    assert clock.move(timedelta(days=-1)) == start - timedelta(days=1)
    clock.set(start)
    assert (clock.time, clock.new_id() < clock.new_id()) == (start, True)
