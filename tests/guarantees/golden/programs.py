"""What became of the code of orders since golden histories were written: steps moved and added, a step lost, another version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.faults.checkout import (
    APPROVED_WITHIN,
    MOMENT,
    QUICK,
    Approved,
    OrderPlaced,
    Release,
    Reserve,
    Ship,
    checkout,
    log,
    postal,
    stock,
    watching,
)
from tests.faults.outside import Outside

from refold import Saga, Steps, saga
from refold.duties import Runs


def moved(outside: Outside) -> Sequence[Runs]:
    """It is paused before the money is taken, one thing after another; new steps are at the beginning and in between."""

    @saga("checkout", hears=[Approved], version=2)
    async def code(s: Steps, order: OrderPlaced) -> str:
        await s.step("greet", outside.letter, f"hello {s.id}", s.key("greet"), retry=QUICK)
        await _reserved(s, order)
        await s.sleep("pause", order.pause * MOMENT)
        await s.step("note", outside.letter, f"note {s.id}", s.key("note"), retry=QUICK)
        paid = await s.step("charge", outside.charge, s.id, s.key("charge"), undo=outside.refund, retry=QUICK)
        await s.step("label", outside.label, s.id, s.key("label"), undo=outside.unlabel, retry=QUICK)
        if order.asks:
            await s.wait_for("approved", Approved, timeout=APPROVED_WITHIN)
        await s.step("thank", outside.letter, f"thanks {s.id}", s.key("thank"), retry=QUICK)
        await s.command("ship", stock.send(order.sku, Ship(s.id)), pivot=True)
        await s.step("deliver", outside.deliver, s.id, s.key("deliver"), retry=QUICK)
        return paid

    return _with(code, outside)


def without_the_charge(outside: Outside) -> Sequence[Runs]:
    """Somebody has taken a step out that instances under way have taken."""

    @saga("checkout", hears=[Approved], version=2)
    async def code(s: Steps, order: OrderPlaced) -> str:
        await _reserved(s, order)
        await s.parallel(
            s.step("label", outside.label, s.id, s.key("label"), undo=outside.unlabel, retry=QUICK),
            s.sleep("pause", order.pause * MOMENT),
        )
        if order.asks:
            await s.wait_for("approved", Approved, timeout=APPROVED_WITHIN)
        await s.command("ship", stock.send(order.sku, Ship(s.id)), pivot=True)
        await s.step("deliver", outside.deliver, s.id, s.key("deliver"), retry=QUICK)
        return ""

    return _with(code, outside)


def of_another_version(outside: Outside) -> Sequence[Runs]:
    """The process is one of version 2, and nobody has said what becomes of those of version 1."""
    post = postal(outside)
    return checkout(outside), replace(watching(post), version=2), stock, log, post


def of_both_versions(outside: Outside) -> Sequence[Runs]:
    """And now somebody has."""
    post = postal(outside)
    first = watching(post)
    return checkout(outside), replace(first, version=2, earlier=(first,)), stock, log, post


def _reserved(s: Steps, order: OrderPlaced) -> Any:
    return s.command("reserve", stock.send(order.sku, Reserve(s.id)), undo=stock.send(order.sku, Release(s.id)))


def _with(code: Saga[OrderPlaced], outside: Outside) -> Sequence[Runs]:
    post = postal(outside)
    return code, watching(post), stock, log, post
