"""What needs no rule, since Refold refuses it before there is an application to review."""

from __future__ import annotations

import pytest

from refold import Fold, Store, UsageError, event
from refold.architect.rules.catalogue import ELSEWHERE
from refold.errors import UpcasterError
from refold.upcasting import drop, upcast


def test_an_event_has_a_wire_name() -> None:
    assert "ES006" in ELSEWHERE
    with pytest.raises(UsageError, match="lacks the name that it is stored under"):
        event(type("Placed", (), {}))  # type: ignore[arg-type] # as one forgets it


def test_upcasters_have_no_gap() -> None:
    assert "ES012" in ELSEWHERE

    @event("order.placed", version=3, upcasters=[upcast("order.placed", 1, to=2)(drop("coupon"))])
    class Placed: ...

    def count(before: int, _: Placed) -> int:
        return before + 1

    placed = Fold("order", initial=int, evolve=count, events=(Placed,))
    with Store.open("memory://") as store, pytest.raises(UpcasterError, match="no upcaster leads on from version 2"):
        store.bind(placed)
