"""Vouchers: so many redemptions each, and one a customer, whichever voucher it was.

The first rule concerns one voucher, the second one customer: no single stream holds both. So the decision has a boundary
of its own, made of tags: all events of this voucher, and all redemptions by this customer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from refold import DecisionModel, Fold, StreamName, command, compose, event


@event("voucher.issued", tags=("voucher",))
class VoucherIssued:
    voucher: str
    percent: int
    uses: int


@event("voucher.redeemed", tags=("voucher", "customer"))
class VoucherRedeemed:
    voucher: str
    customer: str
    order: str
    percent: int


VoucherEvent: TypeAlias = VoucherIssued | VoucherRedeemed


@dataclass(frozen=True, slots=True)
class Voucher:
    """How much it takes off, and how often it can still be redeemed."""

    percent: int = 0
    left: int = 0


def evolve(voucher: Voucher, event: VoucherEvent) -> Voucher:
    """The voucher after one event."""
    match event:
        case VoucherIssued(percent=percent, uses=uses):
            return Voucher(percent, uses)
        case VoucherRedeemed():
            return replace(voucher, left=voucher.left - 1)
        case _:
            assert_never(event)


def redeem_one(redeemed: int, event: VoucherRedeemed) -> int:
    """How many a customer has redeemed after one more."""
    return redeemed + 1


vouchers = Fold("voucher", initial=Voucher, evolve=evolve)
redemptions = Fold("customer", initial=int, evolve=redeem_one)


class VoucherRefused(Exception):
    """A rule of vouchers forbids it."""


@command("voucher.redeem")
class RedeemVoucher:
    voucher: str
    customer: str
    order: str

    @property
    def stream(self) -> StreamName:
        """Where the redemption is recorded."""
        return vouchers.stream(self.voucher)

    @property
    def model(self) -> DecisionModel[Voucher, int]:
        """All that the decision depends on: the voucher, and how many the customer has redeemed."""
        return compose(vouchers.tagged(f"voucher:{self.voucher}"), redemptions.tagged(f"customer:{self.customer}"))

    def decide(self, voucher: Voucher, redeemed: int) -> Iterator[VoucherRedeemed]:
        """The redemption, if both rules allow it."""
        if voucher.left < 1:
            raise VoucherRefused(f"voucher {self.voucher} has no redemption left.")
        if redeemed:
            raise VoucherRefused(f"{self.customer} has redeemed a voucher already.")
        yield VoucherRedeemed(self.voucher, self.customer, self.order, voucher.percent)
