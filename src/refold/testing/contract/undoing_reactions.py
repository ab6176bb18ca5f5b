"""Contract: what processes have looked at can be undone, and what they did because of it is in the way. Where there is SQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from refold.aio import AsyncStore
from refold.fold import Fold
from refold.inverse import undoes
from refold.messages import Recorded
from refold.testing.contract.base import listed
from refold.testing.contract.ordering import Paid, Placed, ProcessContract, payment, quiet, types_in
from refold.testing.contract.sample import Deposited, Withdrawn, accounts
from refold.testing.contract.sending import books


@undoes(Paid)
def paid_back(event: Paid, _: int) -> Iterator[Paid]:
    """What was paid is paid back."""
    yield Paid(-event.cents)


@undoes(Deposited)
def taken_out(event: Deposited, _: int) -> Iterator[Deposited | Withdrawn]:
    """What was deposited is withdrawn."""
    yield Withdrawn(event.amount)


def _paid(cents: int, event: Placed | Paid) -> int:
    return cents + event.cents


orders: Final = Fold("order", initial=int, evolve=_paid, inverses=(paid_back,))
balances: Final = Fold("account", initial=int, evolve=accounts.evolve, inverses=(taken_out,))
FOLDS: Final = (orders, balances)


class UndoingReactions(ProcessContract):
    """`plan_undo` and `plan_redo` of what processes react to."""

    async def test_what_a_process_has_only_looked_at_is_undone_and_redone(self, shop: AsyncStore) -> None:
        instances = shop.process(payment(quiet))
        paid = await _paid_five(shop)
        await instances.catch_up()
        await shop.undo(await shop.plan_undo(correlation_id=paid.metadata.correlation_id, folds=FOLDS))
        await instances.catch_up()
        await shop.redo(await shop.plan_redo(paid.id, folds=FOLDS))
        assert [event.data for event in await listed(shop.read("order-1"))] == [Paid(5), Paid(-5), Paid(5)]
        assert (await types_in(shop)).count("$process.reacted") == 2

    async def test_what_a_process_did_because_of_an_event_is_in_its_way_and_goes_with_its_story(
        self, shop: AsyncStore
    ) -> None:
        paid = await _paid_five(shop)
        await shop.process(payment(books)).catch_up(accounts)

        alone = await shop.plan_undo(paid.id, folds=FOLDS)
        assert [str(obstacle) for obstacle in alone.obstacles] == [
            "order-1@1 (order.paid): it caused account-a@1 (account.deposited), which stands"
        ]
        whole = await shop.plan_undo(correlation_id=paid.metadata.correlation_id, folds=FOLDS)
        assert [(step.event.data, step.proposed) for step in whole.steps] == [
            (Deposited(5), (Withdrawn(5),)),
            (Paid(5), (Paid(-5),)),
        ]
        await shop.undo(whole)

        (deposited, _) = await listed(shop.read("account-a"))
        orphan = await shop.plan_redo(deposited.id, folds=FOLDS)
        assert [str(obstacle) for obstacle in orphan.obstacles] == [
            "account-a@1 (account.deposited): order-1@1 (order.paid) caused it, and is undone"
        ]


async def _paid_five(shop: AsyncStore) -> Recorded[Any]:
    await shop.append("order-1", [Paid(5)])
    paid: Recorded[Any] = (await listed(shop.read("order-1")))[-1]
    return paid
