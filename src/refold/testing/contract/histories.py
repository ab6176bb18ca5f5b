"""Contract: what each event did (`history`), what changed between two points (`diff`), and what if it had not been so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from refold.aio import AsyncStore
from refold.errors import NoSuchVersion, UsageError
from refold.flows.history import Step
from refold.fold import Fold
from refold.messages import NewEvent, Position, event
from refold.patching import Operation
from refold.ports import PAGE
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Contract, Stores, listed
from refold.testing.contract.sample import Deposited, Noted, Withdrawn, accounts, notes


@event("basket.filled")
class Filled:
    """With these; to go through it is to go through them."""

    names: tuple[str, ...]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)


def fill(names: tuple[str, ...], event: Filled) -> tuple[str, ...]:
    """What the basket holds after an event."""
    return (*names, *event)


baskets = Fold[tuple[str, ...], Filled]("basket", initial=tuple, evolve=fill)


class Histories(Contract):
    """`history`, `diff` and `whatif`."""

    async def test_a_history_tells_each_event_with_the_states_around_it(self, store: AsyncStore) -> None:
        await store.append("account-1", [Deposited(10), Deposited(5), Withdrawn(3)])
        steps = await listed(store.bind(accounts).history("1"))
        events = await listed(store.read("account-1"))
        assert steps == [
            Step(event, *states) for event, states in zip(events, [(0, 10), (10, 15), (15, 12)], strict=True)
        ]
        assert [step.diff for step in steps] == [
            (Operation("replace", "", new, old),) for old, new in ((0, 10), (10, 15), (15, 12))
        ]

    async def test_a_history_begins_after_one_point_and_ends_with_another(self, stores: Stores) -> None:
        clock = ManualClock()
        store = await stores.open(clock=clock)
        for amount in (1, 10, 100, 1000):
            await store.append("account-1", [Deposited(amount)])
            await store.append("account-2", [Deposited(7)])
            clock.move(timedelta(days=1))
        account, events = store.bind(accounts), await listed(store.read("account-1"))

        async def states(after: object, until: object) -> list[int]:
            return [step.state async for step in account.history("1", after=after, until=until)]  # type: ignore[arg-type]  # one of several

        assert await states(1, 3) == [11, 111]
        assert await states(events[0].position, events[2].position) == [11, 111]
        assert await states(Position(events[1].position - 1), 3) == [11, 111]
        assert await states(events[0].recorded_at, events[2].recorded_at) == [11, 111]
        assert await states(None, 1) == [1]
        assert await states(3, None) == [1111]
        assert await states(4, None) == await states(3, 1) == await states(None, 0) == []
        with pytest.raises(NoSuchVersion, match="has no version 5"):
            await states(None, 5)
        with pytest.raises(NoSuchVersion, match="has no version 6"):
            await states(6, None)

    async def test_a_long_history_is_told_whole_however_many_pages_it_has(self, store: AsyncStore) -> None:
        count = 2 * PAGE
        for _ in range(4):
            await store.append("account-1", [Deposited(1)] * (count // 4))
        account = store.bind(accounts)
        assert [step.state async for step in account.history("1")] == list(range(1, count + 1))
        assert [step.state async for step in account.history("1", after=PAGE - 1, until=PAGE + 1)] == [PAGE, PAGE + 1]

    async def test_the_history_of_a_stream_without_events_is_empty(self, store: AsyncStore) -> None:
        assert await listed(store.bind(accounts).history("nobody")) == []

    async def test_a_diff_is_between_any_two_points_in_either_direction(self, store: AsyncStore) -> None:
        await store.append("note-1", [Noted("a"), Noted("b")])
        note, last = store.bind(notes), await store.head()
        added, removed = Operation("add", "/1", "b"), Operation("remove", "/1", old="b")
        assert await note.diff("1", 1, 2) == await note.diff("1", 1, last) == (added,)
        assert await note.diff("1", 2, 1) == (removed,)
        assert await note.diff("1", 2, last) == ()
        with pytest.raises(NoSuchVersion, match="has no version 3"):
            await note.diff("1", 1, 3)

    # What if ------------------------------------------------------------------

    async def test_what_if_nothing_had_been_otherwise_is_what_is(self, store: AsyncStore) -> None:
        await store.append("account-1", [Deposited(10), Withdrawn(3)])
        found = await store.bind(accounts).whatif("1")
        assert (found.version, found.actual, found.hypothetical, found.differing, found.steps, found.diff) == (
            2, 7, 7, 0, (), (),
        )  # fmt: skip

    async def test_what_if_events_are_dropped_replaced_and_inserted(self, store: AsyncStore) -> None:
        await store.append("account-1", [Deposited(1), Deposited(10), Deposited(100)])
        found = await store.bind(accounts).whatif(
            "1", drop=[1], replace={2: Deposited(20)}, insert={0: Deposited(1000), 3: [Withdrawn(5), Withdrawn(6)]}
        )
        told = [(s.version, [e.version for e in s.happened], s.instead, s.actual, s.hypothetical) for s in found.steps]
        assert told == [
            (0, [], (Deposited(1000),), 0, 1000),
            (1, [1], (), 1, 1000),
            (2, [2], (Deposited(20),), 11, 1020),
            (3, [3], (Deposited(100), Withdrawn(5), Withdrawn(6)), 111, 1109),
        ]
        assert (found.version, found.actual, found.hypothetical, found.differing) == (3, 111, 1109, 4)
        assert found.diff == found.steps[-1].diff == (Operation("replace", "", 1109, 111),)

    async def test_steps_after_which_it_is_all_the_same_do_not_differ(self, store: AsyncStore) -> None:
        await store.append("account-1", [Deposited(5), Deposited(1), Deposited(1), Withdrawn(1)])
        found = await store.bind(accounts).whatif("1", drop=[2], insert={3: Deposited(1)})
        assert [step.version for step in found.steps] == [2, 3]
        assert found.diff == ()

    async def test_only_the_first_steps_that_differ_are_kept_and_all_are_counted(self, store: AsyncStore) -> None:
        await store.append("account-1", [Deposited(1)] * 10)
        found = await store.bind(accounts).whatif("1", drop=[3], limit=2)
        assert ([step.version for step in found.steps], found.differing) == ([3, 4], 8)

    async def test_what_if_of_what_was_known_then(self, store: AsyncStore) -> None:
        await store.append("account-1", [Deposited(1), Deposited(10), Deposited(100)])
        account = store.bind(accounts)
        found = await account.whatif("1", drop=[1], as_of=2)
        assert (found.version, found.actual, found.hypothetical) == (2, 11, 10)
        with pytest.raises(NoSuchVersion, match="has no version 3: it is at version 2"):
            await account.whatif("1", drop=[3], as_of=2)

    async def test_what_if_writes_nothing(self, store: AsyncStore) -> None:
        await store.append("account-1", [Deposited(1), NewEvent(Deposited(10))])
        before = await listed(store.read()), await store.stats()
        await store.bind(accounts).whatif("1", drop=[1], replace={2: Withdrawn(1)}, insert={0: Deposited(9)})
        after = await listed(store.read()), await store.stats()
        assert after == before

    async def test_what_never_can_be_is_refused(self, store: AsyncStore) -> None:
        await store.append("account-1", [Deposited(1)])
        account = store.bind(accounts)
        for version in (0, 2):
            with pytest.raises(NoSuchVersion, match=f"has no version {version}"):
                await account.whatif("1", drop=[version])
            with pytest.raises(NoSuchVersion, match=f"has no version {version}"):
                await account.whatif("1", replace={version: Deposited(1)})
        with pytest.raises(NoSuchVersion, match="has no version 2"):
            await account.whatif("1", insert={2: Deposited(1)})
        with pytest.raises(UsageError, match="version 1 is both dropped and replaced"):
            await account.whatif("1", drop=[1], replace={1: Deposited(1)})
        with pytest.raises(UsageError, match="of no class that the fold of 'account' takes in"):
            await account.whatif("1", insert={0: Noted("no account")})  # type: ignore[dict-item]  # that is the point

    @pytest.mark.parametrize(
        ("edits", "said"),
        [
            ({"drop": 3}, r"drop=3: give versions, such as drop=\[3\]\."),
            ({"drop": "12"}, r"drop='12': give versions, such as drop=\[3\]\."),
            ({"drop": ["1"]}, "drop names '1', which is no version: give an int, such as 3."),
            ({"drop": [True]}, "drop names True, which is no version"),
            ({"drop": [1.0]}, r"drop names 1\.0, which is no version"),
            ({"drop": [Position(1)]}, "drop names 1, which is no version"),
            ({"replace": {"1": Deposited(1)}}, "replace names '1', which is no version"),
            ({"replace": [Deposited(1)]}, "replace=.*: give events by versions, such as replace={3: event}."),
            ({"insert": [Deposited(1)]}, "insert=.*: give events by versions, such as insert={3: event}."),
            ({"insert": {True: Deposited(1)}}, "insert names True, which is no version"),
            ({"insert": {1: "12"}}, "'12' is of no class that the fold of 'account' takes in"),
            ({"limit": -1}, "limit=-1 is no number of steps: give 0 or more."),
            ({"limit": True}, "limit=True is no number of steps"),
            ({"limit": None}, "limit=None is no number of steps"),
        ],
        ids=str,
    )
    async def test_edits_that_name_no_versions_are_refused_with_a_way_out(
        self, store: AsyncStore, edits: dict[str, Any], said: str
    ) -> None:
        await store.append("account-1", [Deposited(1)])
        with pytest.raises(UsageError, match=said):
            await store.bind(accounts).whatif("1", **edits)

    async def test_what_is_dropped_and_put_in_may_come_from_any_iterable(self, store: AsyncStore) -> None:
        await store.append("account-1", [Deposited(1), Deposited(10)])
        found = await store.bind(accounts).whatif(
            "1", drop=(version for version in [1]), insert={2: (Deposited(amount) for amount in (100, 1000))}
        )
        assert (found.hypothetical, found.differing) == (1110, 2)

    async def test_an_event_that_can_be_gone_through_is_one_event(self, store: AsyncStore) -> None:
        await store.append("basket-1", [Filled(("a", "b"))])
        found = await store.bind(baskets).whatif("1", replace={1: Filled(("c",))}, insert={1: Filled(("d", "e"))})
        assert found.hypothetical == ("c", "d", "e")
