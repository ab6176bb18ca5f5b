"""The same as a saga: the steps, each with what undoes it. All that can go wrong follows from that."""

from __future__ import annotations

from examples.fulfilment.orders import AcceptOrder, CancelOrder, DispatchOrder, OrderPlaced, orders
from examples.fulfilment.outside import PATIENCE, World
from examples.fulfilment.stock import ReleaseStock, ReserveStock, stock

from refold import Saga


def fulfilment(world: World) -> Saga[OrderPlaced]:
    """Fulfilment, in a world."""

    def charge(o: OrderPlaced, key: str) -> None:
        world.bank.charge(o.order, o.cents, key)

    def refund(o: OrderPlaced, key: str) -> None:
        world.bank.refund(o.order)

    def send_parcel(o: OrderPlaced, key: str) -> str:
        return world.carrier.send(o.order, key)

    return (
        Saga("fulfilment", OrderPlaced)
        .command(
            "accept",
            lambda o: orders.send(o.order, AcceptOrder()),
            undo=lambda o: orders.send(o.order, CancelOrder("could not be fulfilled")),
        )
        .command(
            "reserve",
            lambda o: stock.send(o.sku, ReserveStock(o.order)),
            undo=lambda o: stock.send(o.sku, ReleaseStock(o.order)),
        )
        .step(charge, undo=refund, retry=PATIENCE)
        .command("dispatch", lambda o: orders.send(o.order, DispatchOrder()), pivot=True)
        .step(send_parcel, retry=PATIENCE)
    )
