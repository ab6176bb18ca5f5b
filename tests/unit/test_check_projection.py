"""check_projection: a sound projection passes, and each planted fault is found."""

from __future__ import annotations

import random
import secrets
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refold import Projection, Recorded, Statement, Table, ask, event, sql
from refold.projection import Asking, Caused, by_stream
from refold.tables import Change
from refold.testing import check_projection, in_stream
from refold.testing import strategies as refold_st


@event("stock.added")
class Added:
    sku: str
    qty: int


@event("stock.named")
class Named:
    sku: str
    words: list[str]


@dataclass(frozen=True)
class Stock:
    sku: str
    qty: int


@dataclass
class Loose:
    sku: str
    qty: int


stock = Table("stock", Stock, key="sku")
loose = Table("loose", Loose, key="sku")
SCHEMA = "create table log (sku text, text text, n integer)"
PUT = "insert into log values (:sku, :text, :n)"
SKUS = "fig", "date", "plum"  # plum falls into the first half of the slots, the others into the second
EVENTS = tuple(
    one
    for i in range(24)
    for one in (*in_stream(f"stock-{i % 5}", Added(SKUS[i % 3], i)), *in_stream("name-1", Named(SKUS[i % 3], [str(i)])))
)

Handler = Callable[[Recorded[Any]], Any]


def projection(added: Handler = lambda _: (), named: Handler = lambda _: (), **options: Any) -> Projection:
    """A projection of two handlers, with SQL."""
    made = Projection("stock", schema=SCHEMA, tables=[stock, loose], **options)
    made.on(Added)(added)
    made.on(Named)(named)
    return made


def by_sku(recorded: Recorded[Any]) -> str:
    sku: str = recorded.data.sku
    return sku


def put(event: Recorded[Any], text: str = "", n: int = 0) -> Statement:
    return sql(PUT, sku=event.data.sku, text=text, n=n)


def sound(key: Callable[[Recorded[Any]], str] = by_stream) -> Projection:
    """Puts, patches, deletes, looks rows up, asks, and causes effects."""
    made = Projection("sound", schema=SCHEMA, tables=[stock], key=key)

    @made.on(Added, get=lambda e: stock[e.data.sku])
    def added(event: Recorded[Added], row: Stock | None) -> Iterator[Change]:
        qty = event.data.qty + (row.qty if row else 0)
        yield stock.put(Stock(event.data.sku, qty)) if qty < 30 else stock.delete(event.data.sku)

    @made.on(Named)
    def named(event: Recorded[Named]) -> Asking:
        ((count,),) = yield ask("select count(*) from log where sku = :sku", sku=event.data.sku)
        assert isinstance(count, int)
        yield stock.patch(event.data.sku, qty=count)
        yield put(event, "".join(event.data.words), count)

    made.effect(Named)(lambda e: [put(e, "effect", e.position)])
    return made


@pytest.mark.parametrize("key", [by_stream, by_sku])
def test_a_sound_projection_passes(key: Callable[[Recorded[Any]], str]) -> None:
    check_projection(sound(key), EVENTS)
    check_projection(sound(key), ())


@settings(max_examples=10)
@given(refold_st.histories_of(sound(), sku=st.sampled_from(SKUS), qty=st.integers(-99, 99)))
def test_histories_can_be_made_for_a_projection(events: tuple[Any, ...]) -> None:
    check_projection(sound(by_sku), events)


# Planted faults ---------------------------------------------------------------


def counting() -> Handler:
    numbers = iter(range(10**9))
    return lambda event: [put(event, n=next(numbers))]


def only_the_first_time() -> Handler:
    seen = set[int]()

    def handler(event: Recorded[Any]) -> Iterator[Statement]:
        if event.position not in seen:
            seen.add(event.position)
            yield put(event)

    return handler


def what_came_before() -> Handler:
    last = [""]

    def handler(event: Recorded[Any]) -> Iterator[Statement]:
        before, last[0] = last[0], event.data.sku
        yield put(event, before)

    return handler


IMPURE: dict[str, Handler] = {
    "time": lambda e: [put(e, n=int(time.time()))],
    "now": lambda e: [put(e, str(datetime.now(UTC).year))],
    "today": lambda e: [put(e, str(date.today()))],  # noqa: DTZ011 - the fault
    "monotonic": lambda e: [put(e, n=int(time.monotonic()))],
    "random": lambda e: [put(e, n=random.randrange(1))],  # noqa: S311 - the fault
    "uuid4": lambda e: [put(e, str(uuid.uuid4())[:0])],
    "uuid1": lambda e: [put(e, str(uuid.uuid1())[:0])],
    "secrets": lambda e: [put(e, secrets.token_hex(1)[:0])],
    "open": lambda e: [put(e, Path(__file__).read_text("utf-8")[:0])],
}


@pytest.mark.parametrize("handler", IMPURE.values(), ids=IMPURE)
def test_a_handler_that_looks_outside_is_found_whatever_it_makes_of_it(handler: Handler) -> None:
    with pytest.raises(
        AssertionError, match=r"the handler of 'stock.added' at position 1 calls \S+\(\): what it causes"
    ):
        check_projection(projection(handler), EVENTS)
    with pytest.raises(AssertionError, match=r"the handler of 'stock.named' at position 2 calls \S+\(\)"):
        check_projection(projection(named=lambda e: iter(handler(e))), EVENTS)


@pytest.mark.parametrize("handler", [counting(), what_came_before()], ids=["counting", "what-came-before"])
def test_a_handler_that_causes_something_else_the_second_time_is_found(handler: Handler) -> None:
    with pytest.raises(
        AssertionError, match=r"'stock.added' at position [13] caused something else the second time\n  first"
    ):
        check_projection(projection(handler), EVENTS)


def test_a_handler_that_acts_only_the_first_time_is_found() -> None:
    with pytest.raises(AssertionError, match=r"'stock.added' in projection 'stock' keeps something between calls"):
        check_projection(projection(only_the_first_time()), EVENTS)


def test_a_handler_that_knows_what_another_has_seen_is_found() -> None:
    words = dict[str, list[str]]()

    def named(event: Recorded[Named]) -> tuple[()]:
        words[event.data.sku] = event.data.words
        return ()

    history = [Named("s1", ["a"]), Added("s1", 1)]  # the same each time that it is run, since it stays in the process
    with pytest.raises(AssertionError, match=r"'stock.added' .* keeps something .* at position 2, and nothing else"):
        check_projection(projection(lambda e: [put(e, str(words.get(e.data.sku)))], named), history)


def test_a_handler_that_changes_its_event_is_found() -> None:
    def named(event: Recorded[Named]) -> Iterator[Statement]:
        yield put(event, str(len(event.data.words)))
        event.data.words[:] = []

    with pytest.raises(
        AssertionError, match=r"'stock.named' at position 2 (changes what it is given|caused something else)"
    ):
        check_projection(projection(named=named), EVENTS)


def test_a_handler_that_changes_its_event_without_using_it_is_found() -> None:
    with pytest.raises(AssertionError, match=r"'stock.named' at position 2 changes what it is given\n  before"):
        check_projection(projection(named=lambda e: [put(e)] if e.data.words.append("x") is None else ()), EVENTS)


def test_a_handler_that_changes_its_row_is_found() -> None:
    made = Projection("stock", tables=[loose])

    @made.on(Added, get=lambda e: loose[e.data.sku])
    def added(event: Recorded[Added], row: Loose | None) -> Iterator[Caused]:
        if row is None:
            yield loose.put(Loose(event.data.sku, 0))
        else:
            row.qty = 7
            yield loose.patch(row.sku, qty=7)

    with pytest.raises(AssertionError, match=r"'stock.added' at position 7 changes what it is given"):
        check_projection(made, EVENTS)


def test_an_effect_is_checked_too() -> None:
    made = projection()
    made.effect(Added)(counting())
    with pytest.raises(AssertionError, match="caused something else the second time"):
        check_projection(made, EVENTS)


def test_rows_that_two_keys_change_are_found() -> None:
    made = projection(
        lambda e: [sql("delete from log where text = 'last'"), put(e, "last", e.data.qty)], key=by_sku
    )  # the last of all, but keys are in order only among themselves
    with pytest.raises(
        AssertionError, match=r"other rows of 'log' with its keys in 2 parts than at once\n  at once: .*\n"
    ):
        check_projection(made, EVENTS)


def test_rows_that_depend_on_the_batch_are_found() -> None:
    made = Projection("stock", schema=SCHEMA, tables=[stock])

    @made.on(Added)
    def added(event: Recorded[Added]) -> Iterator[Caused]:
        yield stock.put(Stock(event.data.sku, event.data.qty))
        yield sql("insert into log select sku, '', qty from 'stock'")  # a string to who reads it, and a table to SQLite

    with pytest.raises(AssertionError, match=r"other rows of 'log' one event after another than at once"):
        check_projection(made, EVENTS)


def test_what_a_handler_raises_comes_out_as_it_is() -> None:
    def added(event: Recorded[Added]) -> tuple[()]:
        raise LookupError(event.data.sku)

    with pytest.raises(LookupError, match="fig"):
        check_projection(projection(added), EVENTS)


def test_the_profiler_of_others_is_left_in_place() -> None:
    def mine(*_: object) -> None: ...

    sys.setprofile(mine)
    try:
        check_projection(projection(lambda e: [put(e)]), EVENTS)
        assert sys.getprofile() is mine
    finally:
        sys.setprofile(None)
