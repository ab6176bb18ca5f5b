"""What a decider raises comes out as its refusal, and what Refold raises as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from refold import Decider, UsageError, command
from refold.refusals import DeciderRefused, telling_refusals
from refold.testing.contract.sample import Deposited


@command("account.pay-in")
class PayIn:
    amount: int


def evolve(balance: int, event: Deposited) -> int:
    return balance + event.amount


def decide(command: PayIn, balance: int) -> Iterator[Deposited]:
    if command.amount < 0:
        raise UsageError("not ours to tell")
    yield Deposited(command.amount)
    if balance + command.amount > 10:
        raise ValueError("too much")


accounts = Decider("account", int, evolve, decide)


def test_refusals_of_a_decider_are_told_apart() -> None:
    telling = telling_refusals(accounts)
    assert tuple(telling.decide(PayIn(3), 7)) == (Deposited(3),)
    with pytest.raises(DeciderRefused, match="too much") as refused:
        telling.decide(PayIn(3), 8)
    assert (type(refused.value.error), refused.value.error) == (ValueError, refused.value.__cause__)
    with pytest.raises(UsageError, match="not ours to tell"):
        telling.decide(PayIn(-1), 8)


def test_it_is_the_same_decider_otherwise() -> None:
    telling = telling_refusals(accounts)
    assert (telling.category, telling.initial, telling.evolve) == ("account", int, evolve)
    assert (telling.events, telling.commands, telling.decide.__name__) == ((Deposited,), (PayIn,), "decide")
