"""Faults to plant in the applications: each is one that somebody could write, and that a test of one part alone may well miss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any, Final, TypeAlias, cast

from examples.fulfilment import choreography, orchestration
from examples.fulfilment.choreography import CardDeclined, Charge, Charged
from examples.fulfilment.orders import OrderCancelled, OrderPlaced
from examples.fulfilment.outside import PATIENCE, World
from examples.fulfilment.stock import ReserveStock, Stock, StockEvent, StockReleased, StockReserved
from examples.fulfilment.stock import stock as whole
from tests.simulation.applications import Application, fulfilment, shop

from refold import (
    After,
    Effect,
    Projection,
    Recorded,
    Saga,
    Statement,
    Store,
    effect,
    finish,
    sql,
)  # fmt: skip
from refold.demo import orders as shop_orders
from refold.demo import stock as shop_stock
from refold.demo.fulfilment import fulfilment as shop_fulfilment
from refold.testing.simulation.findings import FindingKind

Plant: TypeAlias = Callable[[], Application]


def evolve_changes_its_state() -> Application:
    """What is reserved is put into the dictionary that is there, which others have in hand."""

    def evolve(stock: shop_stock.Stock, event: shop_stock.StockEvent) -> shop_stock.Stock:
        if isinstance(event, shop_stock.StockReserved):
            reserved = cast("dict[str, int]", stock.reserved)
            reserved[event.order] = event.qty
            return shop_stock.Stock(stock.free - event.qty, reserved)
        return shop_stock.evolve(stock, event)

    return shop(stock=replace(shop_stock.stock, evolve=evolve))


def a_decider_with_a_memory() -> Application:
    """Every other parcel has a gift in it, counted in the program."""
    parcels = count(1)

    def decide(command: shop_orders.OrderCommand, order: shop_orders.Order) -> Iterable[shop_orders.OrderEvent]:
        for each in shop_orders.decide(command, order):
            is_gift = isinstance(each, shop_orders.OrderShipped) and next(parcels) % 2 == 0
            yield shop_orders.OrderShipped("with a gift") if is_gift else each

    return shop(orders=replace(shop_orders.orders, decide=decide))


def a_decider_that_reads_a_global() -> Application:
    """A price list, which another decider changes."""
    cheap: set[str] = set()

    def add(command: shop_orders.OrderCommand, order: shop_orders.Order) -> Iterator[shop_orders.OrderEvent]:
        if isinstance(command, shop_orders.AddLine) and command.sku in cheap:
            command = shop_orders.AddLine(command.sku, command.qty, command.cents // 2)
        yield from shop_orders.decide(command, order)

    def reserve(command: shop_stock.StockCommand, stock: shop_stock.Stock) -> Iterator[shop_stock.StockEvent]:
        if isinstance(command, shop_stock.ReserveStock):
            cheap.add("cup")
        yield from shop_stock.decide(command, stock)

    return shop(
        orders=replace(shop_orders.orders, decide=add), stock=replace(shop_stock.stock, decide=reserve),
        before=cheap.clear,
    )  # fmt: skip


def a_decider_that_does_not_look() -> Application:
    """What is not there is reserved, too."""

    def decide(command: Any, stock: Stock) -> Iterator[StockEvent]:
        if isinstance(command, ReserveStock):
            if command.order not in stock.kept:
                yield StockReserved(command.order)
        else:
            yield from whole.decide(command, stock)

    return fulfilment(
        lambda _: choreography.fulfilment, choreography.effects,
        stock=replace(whole, decide=decide, commands=whole.command_types),
    )  # fmt: skip


def a_charge_without_its_key() -> Application:
    """Whoever asks the bank again asks for something new."""

    def effects(world: World) -> Any:
        keys = count()

        @effect("bank.charge", retry=PATIENCE)
        def charge(request: Charge, key: str) -> Charged | CardDeclined:
            if request.order in world.bank.declines:
                return CardDeclined()
            world.bank.charge(request.order, request.cents, f"{next(keys)}")
            return Charged()

        return charge, *choreography.effects(world)[1:]

    return fulfilment(lambda _: choreography.fulfilment, effects)


def a_step_without_its_undo() -> Application:
    """What was reserved is not released when the saga turns back."""

    def forgetting(world: World) -> Saga[OrderPlaced]:
        whole = orchestration.fulfilment(world)
        stages = tuple(
            tuple(replace(each, unsend=None) if each.name == "reserve" else each for each in stage)
            for stage in whole.stages
        )
        return replace(whole, stages=stages)

    return fulfilment(forgetting)


def a_process_that_waits_for_ever() -> Application:
    """A declined card is not thought of, and no timer is set that would."""

    def react(e: Recorded[choreography.Noticed], seen: choreography.Seen) -> Iterator[Effect]:
        if not isinstance(e.data, CardDeclined):
            yield from (each for each in choreography.react(e, seen) if not isinstance(each, After))

    return fulfilment(lambda _: replace(choreography.fulfilment, react=react), choreography.effects)


def a_process_that_ends_too_early() -> Application:
    """It ends when the order is cancelled, though what it has reserved may still come."""

    def react(e: Recorded[choreography.Noticed], seen: choreography.Seen) -> Iterator[Effect]:
        if isinstance(e.data, OrderCancelled):
            yield finish()
        else:
            yield from choreography.react(e, seen)

    return fulfilment(lambda _: replace(choreography.fulfilment, react=react), choreography.effects)


def a_fold_that_is_wrong_where_it_seldom_matters() -> Application:
    """What is released is free again, and goes on being kept."""

    def evolve(stock: Stock, event: StockEvent) -> Stock:
        if isinstance(event, StockReleased):
            return Stock(stock.free + 1, stock.kept)
        return whole.evolve(stock, event)

    return fulfilment(lambda _: choreography.fulfilment, choreography.effects, stock=replace(whole, evolve=evolve))


def a_projection_that_counts_outside() -> Application:
    """Revenue is added up in the program, where no checkpoint protects it."""
    revenue: dict[str, int] = {}
    counted = Projection("counted")

    @counted.on(shop_orders.OrderPlaced)
    def placed(e: Recorded[shop_orders.OrderPlaced]) -> Iterable[Statement]:
        revenue[e.stream.id] = revenue.get(e.stream.id, 0) + e.data.cents
        return ()

    def revenue_is_what_was_ordered(store: Store) -> None:
        states = {id: store.bind(shop_orders.orders).state(id).cents for id in revenue}
        assert revenue == states, f"{revenue}, and ordered were {states}"

    return shop(projections=(counted,), finally_=(revenue_is_what_was_ordered,), before=revenue.clear)


def a_projection_that_relies_on_another_stream() -> Application:
    """The order's row is there before its cups are reserved: so it is, unless somebody else works on the orders."""
    reserved = Projection(
        "reserved", schema="create table reserved (id text primary key, cups integer)", key=lambda e: str(e.stream)
    )

    @reserved.on(shop_orders.OrderPlaced)
    def placed(e: Recorded[shop_orders.OrderPlaced]) -> Iterator[Statement]:
        yield sql("insert into reserved values (:id, 0)", id=e.stream.id)

    @reserved.on(shop_stock.StockReserved)
    def kept(e: Recorded[shop_stock.StockReserved]) -> Iterator[Statement]:
        yield sql("update reserved set cups = :cups where id = :id", id=e.data.order, cups=e.data.qty)

    return shop(projections=(reserved,))


def a_projection_that_cannot_take_everything() -> Application:
    """Whoever cancels before there is an address has none."""
    labels = Projection("labels")
    addresses = {"paid": "1 Sea Street"}

    @labels.on(shop_orders.OrderCancelled)
    def cancelled(e: Recorded[shop_orders.OrderCancelled]) -> Iterator[Statement]:
        yield sql("select :address", address=addresses[e.data.reason])

    return shop(projections=(labels,))


def a_process_that_counts() -> Application:
    """What it yields depends on how often it was asked."""
    asked = count()

    def react(e: Recorded[Any], seen: Any) -> Iterator[Effect]:
        if isinstance(e.data, shop_orders.OrderPlaced) and next(asked) % 2:
            return
        yield from shop_fulfilment.react(e, seen)

    return shop(process=replace(shop_fulfilment, react=react, events=shop_fulfilment.event_types))


PLANTS: Final[Mapping[Plant, tuple[FindingKind, str]]] = {
    evolve_changes_its_state: ("fold", "changes what it is given"),
    a_decider_with_a_memory: ("decider", "the second time"),
    a_decider_that_reads_a_global: ("decider", "at the end of the run"),
    a_decider_that_does_not_look: ("invariant", "never_negative does not hold of stock-teapot@"),
    a_charge_without_its_key: ("invariant", "what_was_paid_was_sent does not hold in the end"),
    a_step_without_its_undo: ("invariant", "what_is_kept_is_sent does not hold in the end"),
    a_process_that_waits_for_ever: ("waiting", "process 'fulfilment' waits for ever"),
    a_process_that_ends_too_early: ("invariant", "what_is_kept_is_sent does not hold in the end"),
    a_fold_that_is_wrong_where_it_seldom_matters: ("invariant", "what_is_kept_is_sent does not hold in the end"),
    a_projection_that_counts_outside: ("invariant", "revenue_is_what_was_ordered does not hold in the end"),
    a_projection_that_relies_on_another_stream: ("read model", "projection 'reserved' holds other rows"),
    a_projection_that_cannot_take_everything: ("dead letter", "projection 'labels' could not take in"),
    a_process_that_counts: ("process", "the second time"),
}
"""Each with the kind of finding that it must lead to, and words of it."""
