"""Fulfilment by a process and by a saga: the same orders, the same end, and no order of events that breaks it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from examples.fulfilment.choreography import (
    CardDeclined,
    Charge,
    Charged,
    NoAnswer,
    OutOfStock,
    ParcelSent,
    SendParcel,
    fulfilment,
)
from examples.fulfilment.day import FATES, Day
from examples.fulfilment.orchestration import fulfilment as as_saga
from examples.fulfilment.orders import (
    CancelOrder,
    DispatchOrder,
    Order,
    OrderCancelled,
    OrderDispatched,
    OrderPlaced,
    PlaceOrder,
    orders,
)
from examples.fulfilment.outside import World
from examples.fulfilment.stock import ReleaseStock, ReserveStock, Stock, StockReserved

from refold.testing import check_process, in_stream, spec

ROOT = Path(__file__).parents[2]

WAYS: dict[str, Callable[[], Day]] = {"process": Day.by_process, "saga": Day.by_saga}


@pytest.fixture(params=WAYS)
def day(request: pytest.FixtureRequest) -> Iterator[Day]:
    """A day that has passed."""
    day = WAYS[request.param]()
    with day.store:
        yield day.play()


def test_only_those_that_can_be_fulfilled_are(day: Day) -> None:
    assert {number for number, order in day.orders().items() if order.status == "dispatched"} == {"1001", "1003"}
    assert {number for number, order in day.orders().items() if order.status == "cancelled"} == FATES.keys() - {
        "1001", "1003"
    }  # fmt: skip


def test_money_parcels_and_stock_agree(day: Day) -> None:
    assert day.world.bank.taken == {"1001": 39_00, "1003": 39_00}
    assert day.world.carrier.parcels == {"1001": "P1", "1003": "P2"}
    assert day.stock() == Stock(3, frozenset({"1001", "1003"}))


def test_the_bank_is_asked_again_when_it_does_not_answer_and_only_then(day: Day) -> None:
    assert day.world.bank.asked == {"1001": 1, "1002": 1, "1003": 2, "1004": 2, "1005": 4}


def test_nothing_is_left_to_do_and_nothing_is_parked(day: Day) -> None:
    assert [*day.instances.outgoing(), *day.instances.timers(), *day.instances.list(stuck=True)] == []
    assert {each.state for each in day.instances.list()} <= {"finished", "compensated"}


def test_a_customer_cannot_cancel_what_is_on_its_way(day: Day) -> None:
    with pytest.raises(Exception, match="the order is dispatched"):
        day.store.bind(orders).handle("1001", CancelOrder("too slow"))


def test_the_process_holds_in_every_order_of_events() -> None:
    follows: dict[type[Any], type[Any] | None] = {
        OrderPlaced: None, OrderCancelled: OrderPlaced, StockReserved: ReserveStock, OutOfStock: ReserveStock, Charged: Charge,
        CardDeclined: Charge, OrderDispatched: DispatchOrder, ParcelSent: SendParcel,
    }  # fmt: skip
    instead: list[set[type[Any]]] = [
        {Charged, CardDeclined, NoAnswer}, {StockReserved, OutOfStock}, {OrderCancelled, OrderDispatched}
    ]  # fmt: skip

    def possible(event: object, seen: frozenset[type[Any]]) -> bool:
        """Each once, when it was asked for, and not after what excludes it."""
        cls = type(event)
        cause, excluded = follows.get(cls), [{cls}, *(group for group in instead if cls in group)]
        return not any(group & seen for group in excluded) and (cause is None or cause in seen)

    checked = check_process(
        fulfilment,
        depth=8,
        events=[
                *in_stream("order-1", OrderPlaced("1", "Ada", "teapot", 39_00)),
                *in_stream("stock-teapot", StockReserved("1")),
            ],
        must_send=[ReserveStock, ReleaseStock, DispatchOrder, CancelOrder, Charge, SendParcel],
        idempotent=[CancelOrder],
        possible=possible,
    )  # fmt: skip
    assert checked.is_whole


def test_the_order_is_the_judge() -> None:
    given = spec(orders)
    placed = OrderPlaced("1", "Ada", "teapot", 39_00)
    given().when(PlaceOrder("1", "Ada", "teapot", 39_00)).then(placed)
    given(placed).when(CancelOrder("no")).then(OrderCancelled("no"))
    given(placed, OrderCancelled("no")).when(CancelOrder("no")).then()
    given(placed, OrderDispatched()).when(DispatchOrder()).then()
    assert orders([placed, OrderCancelled("no")]) == Order("cancelled", "no")


def test_the_demo_tells_the_story() -> None:
    environment = {**os.environ, "COLUMNS": "160", "PYTHONUTF8": "1", "NO_COLOR": "1"}
    ran = subprocess.run(
        [sys.executable, "-m", "examples.fulfilment"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    told = [re.split(r"\s{2,}", line.strip()) for line in ran.stdout.splitlines()]
    assert ["1001", "Ada", "all goes well", "dispatched", "dispatched", "39.00", "P1"] in told
    assert (
        "Both ways, 2 are paid and 3 teapots are free again. The bank was asked to charge 10 and 10 times" in ran.stdout
    )
    assert as_saga(World()).diagram().strip() in ran.stdout
    assert ["09:01:00", "delivered undo of step charge", "sent stock.release to stock-teapot"] in told
