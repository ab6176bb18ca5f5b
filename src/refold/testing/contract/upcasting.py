"""Contract: what was stored in an older shape is read as today's classes, on every way on which events are read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import pytest

from refold.aio import AsyncStore
from refold.aio_read_model import AsyncReadModel
from refold.errors import CannotUndo, Conflict, UndecodableEvent, UnknownEventType, UsageError
from refold.eventlogs.exporter import jsonl
from refold.flows.projections.findings import Audit
from refold.flows.together import StreamWrite
from refold.fold import Decider, Fold, compose
from refold.inverse import undoes
from refold.messages import NewEvent, Position, RawEvent, Recorded, command, event
from refold.ports import QueryMatched, StreamCheck, StreamMoved
from refold.projection import Projection
from refold.query import NO_STREAM, AppendCondition, Query
from refold.tables import Change, Table
from refold.testing.contract.auditing import plant
from refold.testing.contract.base import Contract, Stores, listed
from refold.testing.contract.base import Place as StorePlace
from refold.testing.contract.projecting import ModelContract
from refold.testing.contract.working import taken_in
from refold.upcasting import JsonObject, Parts, default, downcast, move, rename, split, upcast

LONG: Final = 30.0


# The shop as it is today: orders were put at first, then placed, in three shapes; what closed them is two facts today.


@upcast("order.placed", 1, to=2)
def in_euros(data: JsonObject) -> JsonObject:
    """Nobody said so, but all of them were."""
    return {**data, "currency": "EUR", "total": data["total"] * 100}


@split("order.closed", 1, into={"order.paid": 1, "order.shipped": 1})
def paid_and_shipped(data: JsonObject) -> Parts:
    """One happened with the other then."""
    yield "order.paid", {"amount": data["amount"]}
    yield "order.shipped", {"to": data["to"]}


@event(
    "order.placed",
    version=3,
    tags=("buyer",),
    upcasters=(
        in_euros,
        upcast("order.placed", 2, to=3)(rename(customer="buyer")),
        move("order.put", to="order.placed"),
    ),
)
class Placed:
    buyer: str
    total: int
    currency: str


@event("order.paid", upcasters=(paid_and_shipped,))
class Paid:
    amount: int


@event("order.shipped", version=2, upcasters=(paid_and_shipped, upcast("order.shipped", 1, to=2)(default(by="post"))))
class Shipped:
    to: str
    by: str


@event("order.placed")
class PlacedOnce:
    customer: str
    total: int


@downcast("order.placed", 3, to=1)
def in_whole_euros(data: JsonObject) -> JsonObject:
    """What is ahead, as it would have been said before."""
    return {"customer": data["buyer"], "total": data["total"] // 100}


@event("order.placed", upcasters=(in_whole_euros,))
class PlacedToldAhead:
    customer: str
    total: int


@command("order.place")
class Place:
    customer: str
    total: int


OrderEvent: TypeAlias = Placed | Paid | Shipped
NOW: Final = (Placed, Paid, Shipped)


@dataclass(frozen=True)
class Order:
    """An order, from all its events."""

    buyer: str = ""
    owed: int = 0
    sent: str = ""
    steps: int = 0


def order_evolve(order: Order, event: OrderEvent) -> Order:
    """The order after an event."""
    steps = order.steps + 1
    match event:
        case Placed(buyer, total):
            return Order(buyer, order.owed + total, order.sent, steps)
        case Paid(amount):
            return Order(order.buyer, order.owed - amount, order.sent, steps)
        case Shipped(to, by):
            return Order(order.buyer, order.owed, f"{to} by {by}", steps)


@undoes(Paid)
def pay_back(event: Paid, _: Order) -> Iterator[OrderEvent]:
    """The money goes back."""
    yield Paid(-event.amount)


@undoes(Shipped)
def send_back(event: Shipped, _: Order) -> Iterator[OrderEvent]:
    """The goods come back the way they went."""
    yield Shipped("us", event.by)


orders: Final = Fold("order", initial=Order, evolve=order_evolve)
returning: Final = Fold("order", initial=Order, evolve=order_evolve, inverses=(pay_back, send_back))


def customers_evolve(customers: tuple[str, ...], event: PlacedOnce) -> tuple[str, ...]:
    """Who ordered, as it was told once."""
    return (*customers, event.customer)


def place_once(command: Place, _: tuple[str, ...]) -> Iterator[PlacedOnce]:
    """An order, as it was placed once."""
    yield PlacedOnce(command.customer, command.total)


def place(command: Place, _: Order) -> Iterator[OrderEvent]:
    """An order, as it is placed today."""
    yield Placed(command.customer, command.total * 100, "EUR")


once: Final = Decider("order", initial=tuple[str, ...], evolve=customers_evolve, decide=place_once)
today: Final = Decider("order", initial=Order, evolve=order_evolve, decide=place)


def placed_evolve(count: int, _: Placed) -> int:
    """How many were placed."""
    return count + 1


placings: Final = Fold("order", initial=int, evolve=placed_evolve)


@dataclass(frozen=True)
class Line:
    """What a read model shows of an order."""

    name: str
    text: str


LINES: Final = Table("order_lines", Line, key="name")


def lines(*, only: str = "", poison: str = "", key: Any = None) -> Projection:
    """A read model of what happened to each order: of all classes, or of `only` one; a destination that is `poison` fails."""
    given: dict[str, Any] = {} if key is None else {"key": key}
    projection = Projection("order_lines", tables=[LINES], **given)

    def more(event: Recorded[Any], row: Line | None) -> Iterator[Change]:
        if poison and getattr(event.data, "to", "") == poison:
            raise ValueError(poison)
        yield LINES.put(Line(event.stream.id, f"{row.text if row else ''}{type(event.data).__name__} "))

    for cls in NOW:
        if only in {"", cls.__name__}:
            projection.on(cls, get=lambda e: LINES[e.stream.id])(more)
    return projection


@split("trip.booked", 1, into={"trip.booked": 2, "trip.charged": 1})
def booked_and_charged(data: JsonObject) -> Parts:
    """A trip was charged as it was booked, once."""
    yield "trip.booked", {"by": data["by"]}
    yield "trip.charged", {"cents": data["cents"]}


@event("trip.booked", version=2, upcasters=(booked_and_charged,))
class Booked:
    """A trip, as it is booked today."""

    by: str


@event("trip.charged", upcasters=(booked_and_charged,))
class Charged:
    """What it costs."""

    cents: int


PUT: Final = RawEvent("order.put", {"customer": "ada", "total": 3})
PLACED_1: Final = RawEvent("order.placed", {"customer": "bob", "total": 5})
PLACED_2: Final = RawEvent("order.placed", {"customer": "cy", "total": 700, "currency": "USD"}, version=2)
CLOSED: Final = RawEvent("order.closed", {"amount": 300, "to": "Oslo"})


def closed(to: str) -> RawEvent:
    """An order that was paid and shipped in one."""
    return RawEvent("order.closed", {"amount": 1, "to": to})


async def aged(store: AsyncStore) -> None:
    """A history of every shape that there ever was, in two streams."""
    await store.append("order-1", [PUT, CLOSED])
    await store.append(
        "order-2", [PLACED_1, PLACED_2, Placed("dee", 900, "SEK"), RawEvent("order.shipped", {"to": "Rome"})]
    )


READ: Final = (
    ("order-1@1", Placed("ada", 300, "EUR"), "order.placed", 3, (1, 1)),
    ("order-1@2", Paid(300), "order.paid", 1, (1, 2)),
    ("order-1@2", Shipped("Oslo", "post"), "order.shipped", 2, (2, 2)),
    ("order-2@1", Placed("bob", 500, "EUR"), "order.placed", 3, (1, 1)),
    ("order-2@2", Placed("cy", 700, "USD"), "order.placed", 3, (1, 1)),
    ("order-2@3", Placed("dee", 900, "SEK"), "order.placed", 3, (1, 1)),
    ("order-2@4", Shipped("Rome", "post"), "order.shipped", 2, (1, 1)),
)


def as_read(event: Recorded[Any]) -> tuple[str, Any, str, int, tuple[int, int]]:
    """What of an event depends on how it is read."""
    return f"{event.stream}@{event.version}", event.data, event.type, event.schema_version, (event.part, event.parts)


def by_type(event: Recorded[Any]) -> str:
    """A key that tears the parts of an event apart."""
    return event.type


class Upcasting(Contract):
    """Upcasters, wherever events are read without a database of read models."""

    async def test_every_shape_that_was_ever_stored_reads_as_todays_classes(self, stores: Stores) -> None:
        store = await stores.open(events=NOW)
        await aged(store)
        assert [as_read(event) for event in await listed(store.read())] == list(READ)

    async def test_the_parts_of_a_stored_event_share_all_that_is_known_of_it(self, stores: Stores) -> None:
        store = await stores.open(events=NOW)
        new = NewEvent(CLOSED, tags=frozenset({"t"}), metadata={"k": "v"})
        await store.append("order-1", [new])
        one, other = await listed(store.read("order-1"))
        for name in ("id", "stream", "version", "position", "recorded_at", "tags", "metadata"):
            assert getattr(one, name) == getattr(other, name), name
        assert await store.find(one.id) == (one, other)

    async def test_backward_the_last_part_comes_first(self, stores: Stores) -> None:
        store = await stores.open(events=NOW)
        await aged(store)
        assert [as_read(event) for event in await listed(store.read(direction="backward"))] == list(reversed(READ))

    @pytest.mark.parametrize("limit", range(8))
    async def test_a_limit_counts_events_and_not_what_is_stored(self, stores: Stores, limit: int) -> None:
        store = await stores.open(events=NOW)
        await aged(store)
        assert [as_read(event) for event in await listed(store.read(limit=limit))] == list(READ[:limit])

    async def test_a_query_for_a_type_finds_it_under_its_older_names_and_nothing_else(self, stores: Stores) -> None:
        store = await stores.open(events=NOW)
        await aged(store)
        for name in ("order.placed", "order.paid", "order.shipped"):
            query = Query.of(types=[name])
            wanted = [each for each in READ if each[2] == name]
            assert [as_read(event) for event in await listed(store.read(query=query))] == wanted
            assert [as_read(event) for event in await listed(store.read(query=query, limit=1))] == wanted[:1]
            subscription = store.subscribe(query=query, idle=0)
            assert [as_read(event) for event in await listed(subscription)] == wanted
            assert subscription.position == await store.head()

    async def test_a_state_is_folded_from_every_shape_now_and_then(self, stores: Stores) -> None:
        store = await stores.open(events=NOW)
        await aged(store)
        order = store.bind(orders)
        assert await order.state("1") == Order("ada", 0, "Oslo by post", 3)
        assert await order.state("2") == Order("dee", 2100, "Rome by post", 4)
        assert await order.state("2", as_of=2) == Order("cy", 1200, "", 2)
        assert await order.state("1", valid_at=(await listed(store.read("order-1")))[0].recorded_at) is not None
        assert (await order.load("1")).version == 2

    async def test_a_live_state_is_folded_from_every_shape(self, stores: Stores) -> None:
        store = await stores.open(events=NOW)
        await aged(store)
        everything, some = store.live(orders), store.live(placings)
        assert (await everything.state()).steps == len(READ)
        assert await some.state() == 4
        await store.append("order-3", [PUT, CLOSED])
        assert ((await everything.state()).steps, await some.state()) == (len(READ) + 3, 5)

    async def test_a_part_that_a_live_state_has_taken_in_is_not_taken_in_again(self, stores: Stores) -> None:
        store = await stores.open(events=NOW)
        broken = [True]

        def evolve(count: int, event: OrderEvent) -> int:
            if isinstance(event, Shipped) and broken:
                raise LookupError(broken.pop())
            return count + 1

        live = store.live(Fold("order", initial=int, evolve=evolve))
        await store.append("order-1", [CLOSED])
        with pytest.raises(LookupError):
            await live.state()
        assert await live.state() == 2

    async def test_a_subscription_passes_what_is_stored_when_its_last_part_was_handed_out(self, stores: Stores) -> None:
        store = await stores.open(events=NOW)
        await aged(store)
        subscription = store.subscribe()
        places: list[tuple[Any, ...]] = []
        for _ in READ:
            event = await asyncio.wait_for(anext(subscription), LONG)
            places.append((event.position, event.part, subscription.position))
        a, b, c, d, e, f = sorted({position for position, *_ in places})
        assert places == [(a, 1, a), (b, 1, a), (b, 2, b), (c, 1, c), (d, 1, d), (e, 1, e), (f, 1, f)]
        await subscription.close()

    async def test_a_condition_on_a_type_sees_it_under_its_older_names(self, stores: Stores) -> None:
        store = await stores.open(events=NOW)
        head = (await store.append("order-1", [PUT, CLOSED])).position
        for name in ("order.placed", "order.paid", "order.shipped", "order.closed"):
            condition = AppendCondition(Query.of(types=[name]))
            with pytest.raises(Conflict):
                await store.append("order-9", [Paid(1)], condition=condition)
            with pytest.raises(Conflict):
                await store.append_all([StreamWrite("order-9", [Paid(1)])], checks=[condition])
        assert await store.head() == head

    @pytest.mark.guarantee("G5")
    async def test_a_condition_is_not_broken_by_what_is_another_event_today(self, stores: Stores) -> None:
        store = await stores.open(events=[Booked, Charged])
        await store.append("trip-1", [Booked("ada")])
        booked, charged = (AppendCondition(Query.of(types=[name])) for name in ("trip.booked", "trip.charged"))
        assert await listed(store.read(query=charged.query)) == []

        await store.append("trip-2", [Booked("bob")], condition=charged)
        last = await store.append_all([StreamWrite("trip-3", [Booked("cy")])], checks=[charged])
        with pytest.raises(Conflict) as caught:
            await store.append("trip-4", [Booked("dan")], condition=booked)
        assert caught.value.failures == (QueryMatched(booked, last[0].position),)

        last = await store.append_all([StreamWrite("trip-1", [RawEvent("trip.booked", {"by": "eve", "cents": 5})])])
        await store.append("trip-2", [Booked("bob")])
        with pytest.raises(Conflict) as caught:
            await store.append_all(
                [StreamWrite("trip-4", [Booked("dan")])], checks=[StreamCheck("trip-2", NO_STREAM), charged]
            )
        moved, matched = caught.value.failures
        assert isinstance(matched, QueryMatched)
        assert (moved, matched.actual) == (StreamMoved("trip-2", NO_STREAM, 2), last[0].position)

    async def test_a_decision_is_made_on_every_shape_and_within_a_boundary_of_all_their_names(
        self, stores: Stores
    ) -> None:
        store = await stores.open(events=NOW)
        await store.append("order-1", [NewEvent(PUT, tags=frozenset({"buyer:ada"})), NewEvent(PUT)])
        model = compose(placings.tagged("buyer:ada"))
        decided = await store.decide(model, lambda count: [Placed("ada", count, "EUR")], stream="order-2")
        assert decided.events == (Placed("ada", 1, "EUR"),)
        with pytest.raises(Conflict):
            await store.append(
                "order-3", [Paid(1)], condition=AppendCondition(Query.of(types=["order.placed"]), after=1)
            )

    async def test_a_repeated_command_gives_the_first_outcome_in_todays_shape(self, stores: Stores) -> None:
        before = await stores.open(events=(PlacedOnce,))
        first = await before.bind(once).handle("1", Place("ada", 3), idempotency_key="k")
        assert first.events == (PlacedOnce("ada", 3),)
        store = await stores.reopen(events=NOW)
        repeated = await store.bind(today).handle("1", Place("ada", 3), idempotency_key="k")
        assert (repeated.events, repeated.state) == ((Placed("ada", 300, "EUR"),), Order("ada", 300, "", 1))
        assert repeated.repeated

    async def test_parts_go_together_in_what_if(self, store: AsyncStore) -> None:
        await store.append("order-1", [CLOSED])
        order = store.bind(orders)
        happened = (Paid(300), Shipped("Oslo", "post"))
        assert await order.state("1") == orders(happened)
        for instead in ((), (Paid(20),), (Shipped("Rome", "car"), Paid(1), Paid(2))):
            found = await order.whatif("1", replace={1: instead})
            assert (found.hypothetical, found.version, found.differing) == (orders(instead), 1, 1)
            assert [(tuple(event.data for event in step.happened), step.instead) for step in found.steps] == [
                (happened, instead)
            ]
        assert (await order.whatif("1", drop=[1], insert={1: happened})).steps == ()

    async def test_parts_are_undone_and_redone_together_and_keep_their_tags(self, store: AsyncStore) -> None:
        (id,) = (await store.append("order-1", [NewEvent(CLOSED, tags=frozenset({"t"}))])).ids
        undo = await store.plan_undo(id, folds=[returning])
        assert [((step.event.data, *(part.data for part in step.rest)), step.proposed) for step in undo.steps] == [
            ((Paid(300), Shipped("Oslo", "post")), (Shipped("us", "post"), Paid(-300)))
        ]
        await store.undo(undo)
        redo = await store.plan_redo(id, folds=[returning])
        await store.redo(redo)
        assert [(event.version, event.data, set(event.tags)) for event in await listed(store.read("order-1"))] == [
            (1, Paid(300), {"t"}), (1, Shipped("Oslo", "post"), {"t"}),
            (2, Shipped("us", "post"), set()), (3, Paid(-300), set()),
            (4, Paid(300), {"t"}), (5, Shipped("Oslo", "post"), {"t"}),
        ]  # fmt: skip
        assert [receipt.repeated for receipt in (*await store.undo(undo), *await store.redo(redo))] == [True, True]

    async def test_a_part_without_an_inverse_is_in_the_way_of_all(self, store: AsyncStore) -> None:
        receipt = await store.append("order-1", [CLOSED])
        undo = await store.plan_undo(*receipt.ids, folds=[replace(returning, inverses=(pay_back,))])
        assert (undo.steps, list(map(str, undo.obstacles))) == (
            (), ["order-1@1 (order.closed): fold 'order' declares no inverse of it: @undoes(Shipped)"],
        )  # fmt: skip
        with pytest.raises(CannotUndo):
            await store.undo(undo)
        assert await store.head() == receipt.position

    async def test_an_export_is_in_todays_shape(self, stores: Stores) -> None:
        store = await stores.open(events=NOW)
        await store.append("order-1", [PUT])
        (line,) = jsonl(await listed(store.read()))
        assert '"type":"order.placed","schema_version":3' in line
        assert '"data":{"buyer":"ada","total":300,"currency":"EUR"}' in line

    async def test_without_the_classes_all_is_read_as_it_is_stored(self, stores: Stores) -> None:
        store = await stores.open(events=(RawEvent,))
        await store.append("order-1", [PUT, PLACED_2, CLOSED])
        assert [e.data for e in await listed(store.read())] == [PUT, PLACED_2, CLOSED]

    async def test_an_upcaster_that_fails_is_an_error_that_names_the_place_and_the_step(self, stores: Stores) -> None:
        store = await stores.open(events=NOW)
        receipt = await store.append("order-1", [PUT, RawEvent("order.put", {"customer": "ada"})])
        for read in (lambda: listed(store.read()), lambda: store.bind(orders).state("1")):
            with pytest.raises(
                UndecodableEvent, match=r"upcaster 'order\.placed' 1 -> 2 raised KeyError: 'total'"
            ) as caught:
                await read()
            error = caught.value
            assert (error.type, error.stream, error.version, error.position, error.step) == (
                "order.put", "order-1", 2, receipt.position, "'order.placed' 1 -> 2",
            )  # fmt: skip

    async def test_what_an_upcaster_gives_must_fit_the_class(self, stores: Stores) -> None:
        store = await stores.open(events=NOW)
        await store.append(
            "order-1", [RawEvent("order.placed", {"customer": 7, "total": 1, "currency": "x"}, version=2)]
        )
        with pytest.raises(UndecodableEvent, match=r"Expected `str`, got `int`.*Mend the upcaster") as caught:
            await listed(store.read())
        assert caught.value.step == "'order.placed' 2 -> 3"

    async def test_a_version_above_that_of_the_class_is_no_older_shape(self, stores: Stores) -> None:
        store = await stores.open(events=NOW)
        await store.append("order-1", [RawEvent("order.placed", {}, version=4)])
        with pytest.raises(UndecodableEvent, match="schema version 4, the class has version 3"):
            await listed(store.read())

    async def test_an_older_program_reads_what_a_newer_one_stores_where_it_was_told_how(self, stores: Stores) -> None:
        store = await stores.open(events=(PlacedOnce,))
        await store.append("order-1", [PLACED_1, RawEvent("order.placed", {"buyer": "eve", "total": 100}, version=3)])
        with pytest.raises(UndecodableEvent, match="schema version 3, the class has version 1"):
            await store.bind(once).state("1")
        told = await stores.open(events=(PlacedToldAhead,)) if stores.place.durable else None
        if told is not None:
            assert [e.data for e in await listed(told.read())] == [PlacedToldAhead("bob", 5), PlacedToldAhead("eve", 1)]
            await told.append("order-1", [PlacedToldAhead("fay", 2)])
            assert [e.schema_version for e in await listed(told.read())] == [1, 1, 1]

    async def test_a_fold_that_does_not_name_the_class_of_a_part_says_so(self, stores: Stores) -> None:
        store = await stores.open(events=NOW)
        await store.append("order-1", [PUT, CLOSED])
        with pytest.raises(UnknownEventType) as caught:
            await store.bind(placings).state("1")
        assert (caught.value.type, caught.value.version) == ("order.closed", 2)


class UpcastModels(ModelContract):
    """Upcasters under read models. Where there is SQL."""

    @pytest.fixture
    def shown(self, sql_store: AsyncStore) -> AsyncReadModel:
        """A read model of all events of orders."""
        return sql_store.model(lines())

    async def test_a_read_model_takes_in_every_shape_once(self, store: AsyncStore, shown: AsyncReadModel) -> None:
        await aged(store)
        await shown.catch_up()
        assert await _lines(store) == {"1": "Placed Paid Shipped ", "2": "Placed Placed Placed Shipped "}
        assert await shown.audit() == Audit("order_lines", Position(0), Position(6), 6)

    @pytest.mark.parametrize(("only", "count"), [("Placed", 4), ("Paid", 1), ("Shipped", 2)])
    async def test_a_read_model_of_one_class_takes_in_its_older_names_and_parts(
        self, sql_store: AsyncStore, only: str, count: int
    ) -> None:
        await aged(sql_store)
        model = sql_store.model(lines(only=only))
        await model.catch_up()
        assert "".join((await _lines(sql_store)).values()) == f"{only} " * count
        assert await model.audit() == Audit("order_lines", Position(0), Position(6), count)

    async def test_an_inline_read_model_takes_in_every_shape(self, place: StorePlace, sql_store: AsyncStore) -> None:
        if not place.together:
            pytest.skip(f"{place.url} has its events and its read models in two places")
        inline = await sql_store.inline(lines())
        await aged(inline)
        assert await _lines(sql_store) == {"1": "Placed Paid Shipped ", "2": "Placed Placed Placed Shipped "}

    async def test_a_live_read_model_takes_in_every_shape(self, sql_store: AsyncStore) -> None:
        await aged(sql_store)
        async with sql_store.live(lines()) as live:
            assert {row.name: row.text for row in (await live.rows(LINES)).values()} == {
                "1": "Placed Paid Shipped ",
                "2": "Placed Placed Placed Shipped ",
            }

    async def test_a_part_that_fails_parks_what_is_stored_and_a_retry_applies_all_of_it(
        self, store: AsyncStore, shown: AsyncReadModel
    ) -> None:
        failing = store.model(lines(poison="Oslo"))
        await store.append("order-1", [PUT, closed("Oslo"), PLACED_1, closed("Rome")])
        await taken_in(failing)
        assert await _lines(store) == {"1": "Placed "}
        assert [(d.position, d.key, d.state) for d in await failing.dead_letters()] == [
            (2, "order-1", "failed"),
            (3, "order-1", "waiting"),
            (4, "order-1", "waiting"),
        ]
        await shown.retry()
        assert await _lines(store) == {"1": "Placed Paid Shipped Placed Paid Shipped "}
        assert await shown.audit() == Audit("order_lines", Position(0), Position(4), 4)

    async def test_a_missed_event_is_delivered_with_all_its_parts(
        self, store: AsyncStore, shown: AsyncReadModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await aged(store)
        with monkeypatch.context() as patch:
            plant(patch, dropped=[2])
            await shown.catch_up()
        found = await shown.audit(repair=True)
        assert (found.missing, found.repaired) == ((Position(2),), (Position(2),))
        assert await _lines(store) == {"1": "Placed Paid Shipped ", "2": "Placed Placed Placed Shipped "}
        assert (await shown.audit()).is_sound

    async def test_parts_with_keys_of_their_own_are_refused(self, sql_store: AsyncStore) -> None:
        await sql_store.append("order-1", [CLOSED])
        model = sql_store.model(lines(key=by_type))
        with pytest.raises(UsageError, match=r"at position 1, the keys 'order\.paid' and 'order\.shipped'"):
            await model.catch_up()


async def _lines(store: AsyncStore) -> dict[str, str]:
    rows: Any = await store.query("select name, text from order_lines")
    return dict(sorted(rows))
