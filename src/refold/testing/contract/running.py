"""Contract: runners keep read models up to date, share them out, and go on when an event cannot be applied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from refold.aio import AsyncStore
from refold.errors import NoSuchProjection, NotCaughtUp, ProjectionStopped, UsageError
from refold.flows.projections.status import ProjectionStatus
from refold.messages import Recorded
from refold.projection import SLOTS, Projection, Statement, slot_of, sql
from refold.testing.contract.base import Stores
from refold.testing.contract.projecting import ModelContract, amounts, seen
from refold.testing.contract.sample import Deposited, Noted

LONG = 30.0
"""Seconds that no test waits for."""
QUICK = timedelta(seconds=0.4)


def keyed(name: str = "keyed", *, poison: int | None = None) -> Projection:
    """The sums of deposits by whom they go to: a key of its own, so that the work can be split. It fails on one amount."""
    projection = Projection(
        name,
        schema=f"create table {name} (who text primary key, amount integer, last integer)",
        key=lambda e: e.data.to,
    )

    @projection.on(Deposited)
    def add(event: Recorded[Deposited]) -> Iterator[Statement]:
        if event.data.amount == poison:
            raise ValueError(f"no {poison}")
        yield sql(
            f"insert into {name} values (:who, :amount, :at) on conflict (who) do update"  # noqa: S608 - a name of ours
            f" set amount = {name}.amount + excluded.amount, last = excluded.last",
            who=event.data.to, amount=event.data.amount, at=event.position,
        )  # fmt: skip

    return projection


FIRST, LAST = (
    next(f"w{i}" for i in range(99) if slot_of(f"w{i}") < SLOTS // 2),
    next(f"w{i}" for i in range(99) if slot_of(f"w{i}") >= SLOTS // 2),
)
"""Keys of the first and of the last of two parts."""


async def apart(sql_store: AsyncStore) -> None:
    """`keyed` in two parts, of which the last stays behind by what its handler could not apply."""
    await sql_store.catch_up(keyed(poison=7))
    await sql_store.model(keyed(poison=7)).repartition(2)
    await sql_store.append("account-1", [Deposited(1, to=LAST), Deposited(7, to=LAST), Deposited(1, to=FIRST)])
    with pytest.raises(ValueError, match="no 7"):
        await sql_store.catch_up(keyed(poison=7))


async def places(sql_store: AsyncStore) -> list[tuple[int, int, int | None, str]]:
    """Where the parts of `keyed` begin, how far they are, where they stop, and how they are."""
    parts = (await sql_store.model(keyed()).status()).partitions
    return [(part.first, part.position, part.stop_at, part.state) for part in parts]


async def until(sql_store: AsyncStore, wanted: Callable[[ProjectionStatus], bool]) -> ProjectionStatus:
    """The status of the first projection, as soon as it is as wanted."""
    async with asyncio.timeout(LONG):
        while True:
            found = [each for each in await sql_store.projections() if each.role == "active"]
            if found and wanted(found[0]):
                return found[0]
            await asyncio.sleep(0.01)


class RunningProjections(ModelContract):
    """`run`, `wait_for`, `projections`, and what a `model` can be told."""

    @pytest.mark.guarantee("G15")
    async def test_what_is_appended_is_soon_in_the_read_model(self, sql_store: AsyncStore) -> None:
        await sql_store.append("account-1", [Deposited(i) for i in range(1_000)])
        async with sql_store.run(seen(), keyed()):
            for i in range(20):
                receipt = await sql_store.append("account-2", [Deposited(1_000 + i)])
                await sql_store.wait_for("seen", receipt, timeout=LONG)
                assert (await amounts(sql_store))[-1] == 1_000 + i
            await sql_store.wait_for(keyed(), 1_020, timeout=LONG)
        assert await amounts(sql_store) == list(range(1_020))
        assert await sql_store.query("select amount from keyed") == [(sum(range(1_020)),)]

    async def test_without_a_runner_waiting_ends_at_its_deadline_and_says_why(self, sql_store: AsyncStore) -> None:
        await sql_store.append("account-1", [Deposited(1)])
        with pytest.raises(NoSuchProjection, match="'seen'"):
            await sql_store.wait_for("seen", 1, timeout=0.05)
        await sql_store.catch_up(seen())
        await sql_store.wait_for("seen", 1, timeout=0)
        await sql_store.append("account-1", [Deposited(2)])
        with pytest.raises(
            NotCaughtUp, match=r"at position 1 after 0.05 s, not yet at 2: nobody works on it"
        ) as caught:
            await sql_store.wait_for("seen", 2, timeout=0.05)
        assert (caught.value.name, caught.value.position, caught.value.wanted) == ("seen", 1, 2)

    @pytest.mark.parametrize("token", ["5", None, 2.5])
    async def test_what_is_no_position_is_nothing_to_wait_for(self, sql_store: AsyncStore, token: Any) -> None:
        await sql_store.catch_up(seen())
        for wait_for in (partial(sql_store.wait_for, "seen"), sql_store.model(seen()).wait_for):
            with pytest.raises(UsageError, match=rf"^{token!r} is nothing to wait for: take what the write gave back"):
                await wait_for(token, timeout=0)

    @pytest.mark.parametrize("seconds", ["1", None, float("nan")], ids=str)
    async def test_what_is_no_time_to_wait_is_refused_and_nan_is_none(
        self, sql_store: AsyncStore, seconds: Any
    ) -> None:
        await sql_store.catch_up(seen())
        for wait_for in (partial(sql_store.wait_for, "seen"), sql_store.model(seen()).wait_for):
            with pytest.raises(UsageError, match=rf"^timeout={seconds!r} is no time to wait: give seconds"):
                await wait_for(5, timeout=seconds)

    async def test_a_pause_holds_until_it_is_resumed(self, sql_store: AsyncStore) -> None:
        await sql_store.append("account-1", [Deposited(1)])
        async with sql_store.run(seen(), lease=QUICK):
            await sql_store.wait_for("seen", 1, timeout=LONG)
            await sql_store.model(seen()).pause("the disk is full")
            await sql_store.append("account-1", [Deposited(2)])
            with pytest.raises(ProjectionStopped, match="paused at position 1: the disk is full"):
                await sql_store.wait_for("seen", 2, timeout=0.3)
            with pytest.raises(ProjectionStopped):
                await sql_store.catch_up(seen())
            await sql_store.model(seen()).resume()
            await sql_store.wait_for("seen", 2, timeout=LONG)
        assert await amounts(sql_store) == [1, 2]

    @pytest.mark.guarantee("G18")
    async def test_an_event_that_cannot_be_applied_parks_its_key_and_the_rest_goes_on(
        self, sql_store: AsyncStore
    ) -> None:
        for i in range(30):
            await sql_store.append(f"account-{i % 3}", [Deposited(i)])
        async with sql_store.run(seen(poison=4), lease=QUICK):  # of account-1, whose later ones wait behind it
            await until(sql_store, lambda s: s.position == 30)
        found = await sql_store.model(seen()).status()
        assert (found.parked_keys, found.dead_letters, found.lag, found.is_stuck) == (1, 9, 0, False)
        assert await amounts(sql_store) == [i for i in range(30) if i % 3 != 1 or i < 4]
        with pytest.raises(ProjectionStopped, match="parked at position 8"):
            await sql_store.wait_for("seen", 8, timeout=LONG)
        await sql_store.wait_for("seen", 9, timeout=LONG)

    async def test_a_handler_that_fails_for_whatever_key_stops_its_projection_and_no_other(
        self, sql_store: AsyncStore
    ) -> None:
        broken = Projection("broken", schema="create table broken (a integer)")

        @broken.on(Deposited)
        def fail(event: Recorded[Deposited]) -> Iterator[Statement]:
            raise ZeroDivisionError(str(event.position))

        for i in range(40):
            await sql_store.append(f"account-{i}", [Deposited(i)])
        async with sql_store.run(broken, seen(), lease=QUICK):
            await sql_store.wait_for("seen", 40, timeout=LONG)
            found = await until(sql_store, lambda s: s.name == "broken" and s.state == "failed")
        assert "10 keys in a row failed" in found.reason
        assert "ZeroDivisionError" in found.reason
        assert found.is_stuck
        assert await amounts(sql_store) == list(range(40))

    async def test_a_runner_that_ends_leaves_its_work_to_the_next(self, sql_store: AsyncStore, stores: Stores) -> None:
        for round in range(3):
            async with sql_store.run(seen(), lease=timedelta(seconds=60)):
                receipt = await sql_store.append("account-1", [Deposited(round)])
                await sql_store.wait_for("seen", receipt, timeout=LONG)
        assert await amounts(sql_store) == [0, 1, 2]

    @pytest.mark.guarantee("G17")
    async def test_runners_share_the_parts_and_each_key_stays_in_order(
        self, sql_store: AsyncStore, stores: Stores
    ) -> None:
        await sql_store.catch_up(keyed())
        await sql_store.model(keyed()).repartition(4)
        runners = await stores.crowd(2)
        async with runners[0].run(keyed(), lease=QUICK), runners[1].run(keyed(), lease=QUICK):
            for i in range(60):
                await sql_store.append("account-1", [Deposited(i, to=f"w{i % 7}")])
            await sql_store.wait_for("keyed", 60, timeout=LONG)
            parts = (await sql_store.model(keyed()).status()).partitions
        assert len(parts) == 4
        expected = [(f"w{w}", sum(range(w, 60, 7)), max(range(w, 60, 7)) + 1) for w in range(7)]
        assert await sql_store.query("select who, amount, last from keyed order by who") == expected

    @pytest.mark.guarantee("G17")
    async def test_parts_are_split_and_merged_while_the_work_goes_on(self, sql_store: AsyncStore) -> None:
        async with sql_store.run(keyed(), lease=QUICK):
            for i, parts in enumerate((1, 4, 3, 16, 2, 1)):
                await sql_store.append("account-1", [Deposited(i * 40 + j, to=f"w{j % 9}") for j in range(40)])
                await until(sql_store, lambda _: True)
                await sql_store.model(keyed()).repartition(parts)
                assert len((await sql_store.model(keyed()).status()).partitions) == parts
            await sql_store.wait_for("keyed", 240, timeout=LONG)
        total = await sql_store.query("select sum(amount) from keyed")
        assert total == [(sum(range(240)),)]

    @pytest.mark.guarantee("G17")
    async def test_where_a_handler_fails_in_a_merge_the_parts_stay_and_go_on(self, sql_store: AsyncStore) -> None:
        await apart(sql_store)
        with pytest.raises(ValueError, match="no 7") as failed:
            await sql_store.model(keyed(poison=7)).repartition(1)
        assert failed.value.__notes__ == [
            "in projection 'keyed', on 'account.deposited' at position 2 (stream account-1)"
        ]
        assert await places(sql_store) == [(0, 3, None, "running"), (512, 0, None, "running")]
        await sql_store.append("account-1", [Deposited(2, to=LAST), Deposited(2, to=FIRST)])
        assert await sql_store.catch_up(keyed()) == 4
        await sql_store.model(keyed()).repartition(1)
        assert await places(sql_store) == [(0, 5, None, "running")]
        expected = sorted([(FIRST, 3), (LAST, 10)])
        assert await sql_store.query("select who, amount from keyed order by who") == expected

    @pytest.mark.guarantee("G17")
    async def test_parts_that_are_paused_apart_are_not_merged_and_none_waits_for_the_other(
        self, sql_store: AsyncStore
    ) -> None:
        await apart(sql_store)
        await sql_store.model(keyed()).pause("the disk is full")
        with pytest.raises(ProjectionStopped, match="is paused at position 3: the disk is full"):
            await sql_store.model(keyed()).repartition(1)
        assert await places(sql_store) == [(0, 3, None, "paused"), (512, 0, None, "paused")]
        await sql_store.model(keyed()).resume()
        await sql_store.model(keyed()).repartition(1)
        assert await places(sql_store) == [(0, 3, None, "running")]

    async def test_parts_that_are_paused_at_one_place_are_merged(self, sql_store: AsyncStore) -> None:
        await sql_store.append("account-1", [Deposited(1, to=FIRST), Deposited(1, to=LAST)])
        await sql_store.catch_up(keyed())
        await sql_store.model(keyed()).repartition(2)
        await sql_store.model(keyed()).pause("the disk is full")
        await sql_store.model(keyed()).repartition(1)
        assert await places(sql_store) == [(0, 2, None, "paused")]

    async def test_without_a_key_of_its_own_it_cannot_be_split(self, sql_store: AsyncStore) -> None:
        await sql_store.catch_up(seen())
        with pytest.raises(UsageError, match="has no key of its own"):
            await sql_store.model(seen()).repartition(2)

    async def test_after_a_reset_it_is_built_from_the_first_event_again(self, sql_store: AsyncStore) -> None:
        await sql_store.append("account-1", [Deposited(1), Deposited(2)])
        await sql_store.append("note-1", [Noted("x")])
        await sql_store.catch_up(seen())
        await sql_store.model(seen()).reset()
        assert await amounts(sql_store) == []
        assert await sql_store.catch_up(seen()) == 2
        assert await amounts(sql_store) == [1, 2]
