"""The shop's rules, as sentences; no store is needed for most of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from refold import Store, after, cancel, finish
from refold.demo.fulfilment import (
    COME_LATE_WITHIN,
    NoPaymentToCome,
    PaymentOverdue,
    PaymentTooLate,
    fulfilment,
)
from refold.demo.orders import (
    AddLine,
    CancelOrder,
    ConfirmPayment,
    DiscountGranted,
    GrantDiscount,
    InvalidLine,
    Line,
    LineAdded,
    LineRemoved,
    NothingOrdered,
    OneDiscountOnly,
    OpenOrder,
    Order,
    OrderCancelled,
    OrderOpened,
    OrderPaid,
    OrderPlaced,
    OrderShipped,
    PlaceOrder,
    RemoveLine,
    ShipOrder,
    WrongStatus,
    orders,
)
from refold.demo.payments import (
    DeclinePayment,
    PaymentDeclined,
    PaymentReceived,
    PaymentRefunded,
    PaymentRefused,
    PaymentRequested,
    ReceivePayment,
    RefundPayment,
    RequestPayment,
    payments,
)
from refold.demo.stock import (
    InvalidQuantity,
    NothingReserved,
    PickStock,
    ReceiveStock,
    ReleaseStock,
    ReserveStock,
    Stock,
    StockPicked,
    StockReceived,
    StockReleased,
    StockReserved,
    StockShort,
    stock,
)
from refold.demo.vouchers import RedeemVoucher, VoucherIssued, VoucherRedeemed, VoucherRefused
from refold.testing import spec

order, warehouse, payment, process = spec(orders), spec(stock), spec(payments), spec(fulfilment)

OPENED = OrderOpened("Ada")
TEAPOT = LineAdded("teapot", 1, 39_00)
CUPS = LineAdded("cup", 4, 12_50)
PLACED = OrderPlaced("Ada", (Line("teapot", 1, 39_00), Line("cup", 4, 12_50)), 89_00)

# Orders -----------------------------------------------------------------------


def test_an_order_is_opened_filled_and_placed_at_its_total() -> None:
    order().when(OpenOrder("Ada")).then(OPENED)
    order(OPENED).when(AddLine("teapot", 1, 39_00)).then(TEAPOT)
    order(OPENED, TEAPOT, CUPS).when(PlaceOrder()).then(PLACED)


def test_a_line_that_was_removed_is_not_ordered() -> None:
    order(OPENED, TEAPOT, CUPS).when(RemoveLine("cup")).then(LineRemoved("cup"))
    left = OrderPlaced("Ada", (Line("teapot", 1, 39_00),), 39_00)
    order(OPENED, TEAPOT, CUPS, LineRemoved("cup")).when(PlaceOrder()).then(left)


def test_a_line_must_be_of_something_that_can_be() -> None:
    order(OPENED).when(AddLine("teapot", 0, 39_00)).then_raises(InvalidLine, "one at least")
    order(OPENED, TEAPOT).when(RemoveLine("cup")).then_raises(InvalidLine, "no cup")


def test_one_discount_is_taken_off_the_total_rounded_down() -> None:
    odd = LineAdded("honey", 1, 9_99)
    order(OPENED, odd).when(GrantDiscount("WELCOME", 10)).then(DiscountGranted("WELCOME", 10))
    assert order(OPENED, odd, DiscountGranted("WELCOME", 10)).state.cents == 9_00
    order(OPENED, DiscountGranted("WELCOME", 10)).when(GrantDiscount("TEATIME", 5)).then_raises(OneDiscountOnly, "10 %")


def test_nothing_cannot_be_ordered() -> None:
    order(OPENED).when(PlaceOrder()).then_raises(NothingOrdered)
    order().when(PlaceOrder()).then_raises(WrongStatus, "the order is new")


def test_a_placed_order_is_no_longer_changed() -> None:
    given = order(OPENED, TEAPOT, PLACED)
    for command in (
        OpenOrder("Ada"),
        AddLine("cup", 1, 12_50),
        RemoveLine("teapot"),
        GrantDiscount("W", 5),
        PlaceOrder(),
    ):
        given.when(command).then_raises(WrongStatus, "the order is placed")


def test_an_order_is_shipped_once_it_is_paid() -> None:
    order(OPENED, TEAPOT, PLACED).when(ShipOrder("p-1")).then_raises(WrongStatus, "placed")
    order(OPENED, TEAPOT, PLACED, OrderPaid()).when(ShipOrder("p-1")).then(OrderShipped("p-1"))


def test_telling_an_order_twice_changes_nothing() -> None:
    order(OPENED, TEAPOT, PLACED, OrderPaid()).when(ConfirmPayment()).then_nothing()
    order(OPENED, OrderCancelled("left")).when(CancelOrder("left")).then_nothing()


def test_what_is_paid_is_not_cancelled() -> None:
    order(OPENED, TEAPOT, PLACED).when(CancelOrder("not paid")).then(OrderCancelled("not paid"))
    order(OPENED, TEAPOT, PLACED, OrderPaid()).when(CancelOrder("late")).then_raises(WrongStatus, "paid")


def test_the_state_of_an_order_tells_its_whole_story() -> None:
    history = (
        OPENED,
        TEAPOT,
        CUPS,
        LineRemoved("cup"),
        DiscountGranted("W", 10),
        PLACED,
        OrderPaid(),
        OrderShipped("p-1"),
    )
    assert order(*history).state == Order("shipped", "Ada", (Line("teapot", 1, 39_00),), 10, "p-1")


# Stock ------------------------------------------------------------------------


def test_what_is_reserved_for_one_order_is_not_free_for_another() -> None:
    warehouse(StockReceived(5)).when(ReserveStock("1", 4)).then(StockReserved("1", 4))
    warehouse(StockReceived(5), StockReserved("1", 4)).when(ReserveStock("2", 4)).then(StockShort("2", 3))


def test_an_order_reserves_once_however_often_it_asks() -> None:
    warehouse(StockReceived(5), StockReserved("1", 4)).when(ReserveStock("1", 4)).then_nothing()


def test_released_stock_is_free_again_and_picked_stock_is_gone() -> None:
    reserved = (StockReceived(5), StockReserved("1", 4))
    warehouse(*reserved).when(ReleaseStock("1")).then(StockReleased("1"))
    warehouse(*reserved).when(PickStock("1")).then(StockPicked("1"))
    assert warehouse(*reserved, StockReleased("1")).state == Stock(5)
    assert warehouse(*reserved, StockPicked("1")).state == Stock(1)


def test_only_what_is_reserved_is_picked_or_released() -> None:
    warehouse(StockReceived(5)).when(PickStock("1")).then_raises(NothingReserved, "order 1")
    warehouse(StockReceived(5)).when(ReleaseStock("1")).then_nothing()


def test_stock_moves_in_pieces() -> None:
    warehouse().when(ReceiveStock(0)).then_raises(InvalidQuantity)
    warehouse(StockReceived(5)).when(ReserveStock("1", -1)).then_raises(InvalidQuantity)


# Payments ---------------------------------------------------------------------


def test_exactly_what_is_due_is_received() -> None:
    payment().when(RequestPayment(89_00)).then(PaymentRequested(89_00))
    payment(PaymentRequested(89_00)).when(ReceivePayment(89_00)).then(PaymentReceived(89_00))
    payment(PaymentRequested(89_00)).when(ReceivePayment(88_00)).then_raises(PaymentRefused, "8900 are due")


def test_a_declined_payment_may_be_tried_again() -> None:
    payment(PaymentRequested(1)).when(DeclinePayment("card")).then(PaymentDeclined("card"))
    payment(PaymentRequested(1), PaymentDeclined("card")).when(ReceivePayment(1)).then(PaymentReceived(1))


def test_money_is_received_and_given_back_once() -> None:
    received = (PaymentRequested(1), PaymentReceived(1))
    payment(*received).when(ReceivePayment(1)).then_raises(PaymentRefused, "'received'")
    payment(*received).when(RefundPayment()).then(PaymentRefunded(1))
    payment(*received, PaymentRefunded(1)).when(RefundPayment()).then_nothing()
    payment().when(RefundPayment()).then_raises(PaymentRefused, "'none'")


# Vouchers ---------------------------------------------------------------------


@pytest.fixture
def store() -> Store:
    """With two vouchers: WELCOME for two customers, TEATIME for many."""
    store = Store.open("memory://")
    store.append("voucher-WELCOME", [VoucherIssued("WELCOME", 10, 2)])
    store.append("voucher-TEATIME", [VoucherIssued("TEATIME", 5, 99)])
    return store


def redeem(store: Store, voucher: str, customer: str) -> tuple[VoucherRedeemed, ...]:
    request = RedeemVoucher(voucher, customer, "1042")
    return store.decide(request.model, request.decide, stream=request.stream).events


def test_a_voucher_takes_off_what_it_was_issued_for(store: Store) -> None:
    assert redeem(store, "WELCOME", "Ada") == (VoucherRedeemed("WELCOME", "Ada", "1042", 10),)


def test_a_voucher_is_redeemed_no_more_often_than_it_was_issued_for(store: Store) -> None:
    redeem(store, "WELCOME", "Ada")
    redeem(store, "WELCOME", "Bob")
    with pytest.raises(VoucherRefused, match="WELCOME has no redemption left"):
        redeem(store, "WELCOME", "Eve")


def test_a_customer_redeems_one_voucher_whichever_it_was(store: Store) -> None:
    redeem(store, "WELCOME", "Ada")
    with pytest.raises(VoucherRefused, match="Ada has redeemed a voucher already"):
        redeem(store, "TEATIME", "Ada")


def test_a_voucher_that_nobody_issued_is_worth_nothing(store: Store) -> None:
    with pytest.raises(VoucherRefused, match="no redemption left"):
        redeem(store, "FREETEA", "Ada")


# Fulfilment -------------------------------------------------------------------


def test_a_placed_order_asks_for_stock_and_money_and_sets_a_deadline() -> None:
    process().when(PLACED, id="1042").then(
        stock.send("teapot", ReserveStock("1042", 1)),
        stock.send("cup", ReserveStock("1042", 4)),
        payments.send("1042", RequestPayment(89_00)),
        after(timedelta(hours=2), PaymentOverdue()),
    )


def test_received_money_confirms_the_order_and_lifts_the_deadline() -> None:
    confirmed = orders.send("1042", ConfirmPayment()).otherwise(PaymentTooLate())
    process(PLACED).when(PaymentReceived(89_00), id="1042").then(cancel(PaymentOverdue), confirmed)


def test_money_for_a_cancelled_order_is_given_back() -> None:
    given = process(PLACED, OrderCancelled("not paid in time"))
    given.when(PaymentReceived(89_00), id="1042").then(payments.send("1042", RefundPayment()))


def test_money_that_comes_while_the_order_is_being_cancelled_is_given_back() -> None:
    given = process(PLACED, PaymentReceived(89_00))
    given.when(PaymentTooLate(), id="1042").then(payments.send("1042", RefundPayment()))


def test_an_order_is_cancelled_when_money_or_stock_is_missing() -> None:
    process(PLACED).when(PaymentDeclined("card"), id="1042").then(orders.send("1042", CancelOrder("card")))
    process(PLACED).when(PaymentOverdue(), id="1042").then(orders.send("1042", CancelOrder("not paid in time")))
    process(PLACED).when(StockShort("1042", 3), id="cup").then(orders.send("1042", CancelOrder("out of stock")))


def test_a_cancelled_order_gives_its_stock_back() -> None:
    released = (stock.send("teapot", ReleaseStock("1042")), stock.send("cup", ReleaseStock("1042")))
    closed = after(COME_LATE_WITHIN, NoPaymentToCome())
    process(PLACED).when(OrderCancelled("card"), id="1042").then(cancel(PaymentOverdue), closed, *released)


def test_when_no_payment_is_to_come_for_a_cancelled_order_the_process_ends() -> None:
    process(PLACED, OrderCancelled("card")).when(NoPaymentToCome(), id="1042").then(finish())


def test_a_shipped_order_is_picked_and_the_process_ends() -> None:
    picked = (stock.send("teapot", PickStock("1042")), stock.send("cup", PickStock("1042")))
    process(PLACED).when(OrderShipped("p-1"), id="1042").then(*picked, finish())
