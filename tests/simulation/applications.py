"""The applications that are simulated: the fulfilment of the examples, by a process and by a saga, and the demo shop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, TypeAlias

from examples.fulfilment import choreography, orchestration
from examples.fulfilment.orders import CancelOrder, OrderEvent, PlaceOrder, orders
from examples.fulfilment.outside import Bank, World
from examples.fulfilment.stock import ReceiveStock, Stock, StockEvent, stock

from refold import App, Decider, EffectHandler, Process, Projection, Saga, Store
from refold.demo import orders as shop_orders
from refold.demo import payments as shop_payments
from refold.demo import stock as shop_stock
from refold.demo.fulfilment import fulfilment as shop_fulfilment
from refold.demo.sales import sales
from refold.testing import Simulated, simulate

CENTS = 39_00
Sent: TypeAlias = "tuple[str, object] | timedelta"
Check: TypeAlias = Callable[[Store], object]


@dataclass
class Application:
    """An application with all that must hold of it. `make` begins a run: what is outside is new then."""

    make: Callable[[], App]
    commands: Callable[[Random], Sequence[Sent]]
    always: Sequence[Callable[[Any], object]] = ()
    finally_: Sequence[Check] = ()
    may_wait: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict[str, Callable[[Any], bool]])

    def simulated(self, *, seeds: int = 1, seed: int | None = None, shrink_for: float = 20.0) -> Simulated:
        """What `simulate` makes of it."""
        return simulate(
            self.make, commands=self.commands, seeds=seeds, seed=seed, shrink_for=shrink_for,
            always=self.always, finally_=self.finally_, may_wait=self.may_wait,
        )  # fmt: skip


# The fulfilment of the examples ---------------------------------------------------------------------------------------


def fulfilment_commands(random: Random) -> list[Sent]:
    """A few teapots, and more orders than that, some of which are cancelled."""
    sent: list[Sent] = [("stock-teapot", ReceiveStock(random.randint(1, 3)))]
    for number in range(random.randint(1, 4)):
        id = str(number)
        sent.append((f"order-{id}", PlaceOrder(id, "Ada", "teapot", CENTS)))
        if random.random() < 0.3:
            sent.append((f"order-{id}", CancelOrder("changed her mind")))
    return sent


def never_negative(stock: Stock) -> bool:
    """There is no less than nothing."""
    return stock.free >= 0


Effects: TypeAlias = Callable[[World], Sequence[EffectHandler[Any]]]


def fulfilment(
    by: Callable[[World], Process[Any, Any] | Saga[Any]],
    effects: Effects = lambda world: (),
    *,
    orders: Decider[Any, Any, OrderEvent] = orders,
    stock: Decider[Any, Any, StockEvent] = stock,
) -> Application:
    """Orders fulfilled by a process or a saga, in a bank's world whose second customer has a bad card."""
    world = World()

    def make() -> App:
        nonlocal world
        world = World(Bank(declines=frozenset({"1"})))
        return App(orders, stock, by(world), *effects(world))

    def what_was_paid_was_sent(_: Store) -> None:
        taken, parcels = world.bank.taken, world.carrier.parcels
        assert taken == dict.fromkeys(parcels, CENTS), f"paid {taken}, sent {parcels}"

    def what_is_kept_is_sent(store: Store) -> None:
        kept = store.bind(stock).state("teapot").kept
        assert kept == set(world.carrier.parcels), f"kept {sorted(kept)}, sent {sorted(world.carrier.parcels)}"

    return Application(make, fulfilment_commands, (never_negative,), (what_was_paid_was_sent, what_is_kept_is_sent))


def by_process() -> Application:
    """As the example has it."""
    return fulfilment(lambda _: choreography.fulfilment, choreography.effects)


def by_saga() -> Application:
    """As the example has it."""
    return fulfilment(orchestration.fulfilment)


# The demo shop --------------------------------------------------------------------------------------------------------


def shop_commands(random: Random) -> list[Sent]:
    """Orders from their first line to the parcel; some are not paid, some cancelled, some too large."""
    sent: list[Sent] = [("stock-cup", shop_stock.ReceiveStock(random.randint(3, 6)))]
    for number in range(random.randint(1, 3)):
        sent += _order(f"{number}", random)
    return sent


def _order(id: str, random: Random) -> Iterator[Sent]:
    order, payment, cups = f"order-{id}", f"payment-{id}", random.randint(1, 3)
    yield order, shop_orders.OpenOrder("Ada")
    yield order, shop_orders.AddLine("cup", cups, 500)
    yield order, shop_orders.PlaceOrder()
    fate = random.choice(("paid", "paid", "declined", "cancelled", "forgotten"))
    if fate == "paid":
        yield timedelta(seconds=1)
        yield payment, shop_payments.ReceivePayment(cups * 500)
        yield timedelta(seconds=1)
        yield order, shop_orders.ShipOrder(f"P-{id}")
    elif fate == "declined":
        yield timedelta(seconds=1)
        yield payment, shop_payments.DeclinePayment("no money")
    elif fate == "cancelled":
        yield order, shop_orders.CancelOrder("changed her mind")


def never_short(stock: shop_stock.Stock) -> bool:
    """There is no less than nothing."""
    return stock.free >= 0


def nothing_is_kept_for_cancelled_orders(store: Store) -> None:
    """Who has cancelled keeps no cups from others."""
    kept = store.bind(shop_stock.stock).state("cup").reserved
    states = {id: store.bind(shop_orders.orders).state(id).status for id in kept}
    assert "cancelled" not in states.values(), f"kept for {states}"


def nothing_waits_for_an_operator(store: Store) -> None:
    """Whatever meets on its way, the process knows what to do."""
    assert [str(each) for each in store.process(shop_fulfilment).outgoing(parked=True)] == []


def shop(
    *,
    orders: Decider[Any, Any, Any] = shop_orders.orders,
    stock: Decider[Any, Any, Any] = shop_stock.stock,
    process: Process[Any, Any] = shop_fulfilment,
    projections: Sequence[Projection] = (sales,),
    finally_: Sequence[Check] = (nothing_is_kept_for_cancelled_orders, nothing_waits_for_an_operator),
    before: Callable[[], None] = lambda: None,
) -> Application:
    """The demo shop. An order may wait for ever: for its parcel, or for money that comes too late."""

    def make() -> App:
        before()
        return App(orders, stock, shop_payments.payments, process, *projections)

    return Application(make, shop_commands, (never_short,), finally_, {"fulfilment": lambda _: True})
