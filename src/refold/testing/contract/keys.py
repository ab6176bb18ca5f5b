"""Contract: a command with an idempotency key is handled once, whoever asks again, whenever, from wherever."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from refold.aio import AsyncStore
from refold.errors import InvalidName, KeyReused
from refold.fold import Decider
from refold.messages import command
from refold.testing.contract.base import Contract, Stores, listed, outcomes
from refold.testing.contract.repeating import Labelled
from refold.testing.contract.sample import Deposit, Deposited, Overdrawn, Withdraw, accounts


@command("label.put")
class Label:
    """A command with a set."""

    labels: frozenset[int]


labelling: Decider[Label, int, Labelled] = Decider(
    "label", initial=int, evolve=lambda count, _: count + 1, decide=lambda asked, _: [Labelled(asked.labels)],
    events=(Labelled,), commands=(Label,),
)  # fmt: skip


@pytest.mark.guarantee("G4")
class Keys(Contract):
    """`handle(..., idempotency_key=)`."""

    async def test_a_repeated_command_gives_the_first_outcome_and_appends_nothing(self, store: AsyncStore) -> None:
        account = store.bind(accounts)
        await account.handle("1", Deposit(1))
        first = await account.handle("1", Deposit(10), idempotency_key="k")
        await account.handle("1", Deposit(100))

        again = await account.handle("1", Deposit(10), idempotency_key="k")

        assert (first.state, first.version, first.events, first.repeated) == (11, 2, (Deposited(10),), False)
        assert (again.state, again.version, again.events, again.position, again.repeated) == (
            11, 2, (Deposited(10),), first.position, True,
        )  # fmt: skip
        assert await account.state("1") == 111

    async def test_a_command_with_a_set_is_repeated_in_whatever_order_the_set_is_gone_through(
        self, store: AsyncStore
    ) -> None:
        labels = store.bind(labelling)
        await labels.handle("1", Label(frozenset([8, 0])), idempotency_key="k")
        again = await labels.handle("1", Label(frozenset([0, 8])), idempotency_key="k")
        assert (again.events, again.repeated) == ((Labelled(frozenset([0, 8])),), True)
        with pytest.raises(KeyReused):
            await labels.handle("1", Label(frozenset([0])), idempotency_key="k")

    async def test_that_a_command_changed_nothing_is_an_outcome_too(self, store: AsyncStore) -> None:
        account = store.bind(accounts)
        await account.handle("1", Deposit(5))
        first = await account.handle("1", Deposit(0), idempotency_key="k")
        await account.handle("1", Deposit(7))
        again = await account.handle("1", Deposit(0), idempotency_key="k")

        assert (first.state, first.version, first.events, first.repeated) == (5, 1, (), False)
        assert (again.state, again.version, again.events, again.repeated) == (5, 1, (), True)

    async def test_nothing_changed_on_an_empty_stream_is_remembered_as_well(self, store: AsyncStore) -> None:
        account = store.bind(accounts)
        await account.handle("1", Deposit(0), idempotency_key="k")
        await account.handle("1", Deposit(7))
        again = await account.handle("1", Deposit(0), idempotency_key="k")
        assert (again.state, again.version, again.events, again.repeated) == (0, 0, (), True)

    async def test_a_refused_command_does_not_use_up_its_key(self, store: AsyncStore) -> None:
        account = store.bind(accounts)
        with pytest.raises(Overdrawn):
            await account.handle("1", Withdraw(1), idempotency_key="k")
        await account.handle("1", Deposit(1))
        assert not (await account.handle("1", Withdraw(1), idempotency_key="k")).repeated

    async def test_a_key_belongs_to_one_command_on_one_stream(self, store: AsyncStore) -> None:
        account = store.bind(accounts)
        await account.handle("1", Deposit(10), idempotency_key="k")
        for id, asked in (("1", Deposit(11)), ("1", Withdraw(10)), ("2", Deposit(10))):
            with pytest.raises(KeyReused, match="one key names one request") as caught:
                await account.handle(id, asked, idempotency_key="k")
            assert caught.value.key == "k"
        assert [e.data for e in await listed(store.read())] == [Deposited(10)]

    @pytest.mark.parametrize("key", ["k", "order 17/ä%'\"🦊", "k" * 200])
    async def test_a_key_is_any_printable_text(self, store: AsyncStore, key: str) -> None:
        account = store.bind(accounts)
        await account.handle("1", Deposit(1), idempotency_key=key)
        assert (await account.handle("1", Deposit(1), idempotency_key=key)).repeated

    @pytest.mark.parametrize("key", ["", " ", "k\n", "k" * 201, "\ud800"])
    async def test_other_keys_are_refused(self, store: AsyncStore, key: str) -> None:
        with pytest.raises(InvalidName, match=r"is not an? idempotency key"):
            await store.bind(accounts).handle("1", Deposit(1), idempotency_key=key)
        assert await store.head() == 0

    async def test_a_key_is_known_after_a_restart(self, stores: Stores) -> None:
        store = await stores.open()
        await store.bind(accounts).handle("1", Deposit(10), idempotency_key="k")
        await store.bind(accounts).handle("1", Deposit(0), idempotency_key="nothing")
        account = (await stores.reopen()).bind(accounts)

        again = await account.handle("1", Deposit(10), idempotency_key="k")
        nothing = await account.handle("1", Deposit(0), idempotency_key="nothing")

        assert (again.state, again.version, again.events, again.repeated) == (10, 1, (Deposited(10),), True)
        assert (nothing.state, nothing.events, nothing.repeated) == (10, (), True)

    async def test_one_key_at_once_from_many_is_handled_once(self, stores: Stores) -> None:
        crowd = await stores.crowd(8)
        for turn in range(5):
            handled = await outcomes(
                *(store.bind(accounts).handle("1", Deposit(1), idempotency_key=f"k{turn}") for store in crowd)
            )
            assert sorted(h.repeated for h in handled) == [False] + [True] * 7
            assert {(h.state, h.version, h.events) for h in handled} == {(turn + 1, turn + 1, (Deposited(1),))}
        assert await crowd[0].bind(accounts).state("1") == 5

    async def test_one_key_at_once_from_two_processes_is_handled_once(self, stores: Stores) -> None:
        if not stores.place.durable:
            pytest.skip(f"{stores.place.url} is a place for one process")
        store = await stores.open()
        keys = [f"k{i}" for i in range(25)]

        answers = await asyncio.gather(*(_in_process(stores, keys) for _ in range(2)))

        for of_one, of_other in zip(*answers, strict=True):
            assert sorted([of_one.pop("repeated"), of_other.pop("repeated")]) == [False, True]
            assert of_one == of_other
        assert await store.bind(accounts).state("1") == len(keys)


async def _in_process(stores: Stores, keys: list[str]) -> list[dict[str, object]]:
    module = "refold.testing.contract.other_process"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stores.place.url, *keys, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    assert process.returncode == 0
    return [json.loads(line) for line in told.splitlines()]
