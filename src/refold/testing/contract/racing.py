"""Contract: what holds when many write at once. Each case many rounds, over several connections where there can be."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from refold.aio import AsyncStore
from refold.errors import Conflict
from refold.flows.append import Receipt
from refold.fold import compose
from refold.messages import NewEvent, RawEvent
from refold.query import NO_STREAM, AppendCondition, Query
from refold.testing.contract.base import Contract, Stores, listed, outcomes
from refold.testing.contract.history import Attempt, violations
from refold.testing.contract.sample import (
    CourseDefined,
    CourseFull,
    Deposit,
    Joined,
    Overdrawn,
    Withdraw,
    accounts,
    courses,
    fact,
    join,
    students,
)

ROUNDS = 8

Write = tuple[str, NewEvent[RawEvent], AppendCondition | None]


def winners(results: Sequence[object]) -> int:
    """How many succeeded; the others must have met a conflict."""
    assert {type(result) for result in results} <= {Receipt, Conflict}, results
    return sum(isinstance(result, Receipt) for result in results)


async def race(crowd: Sequence[AsyncStore], writes: Sequence[Write]) -> Sequence[Any]:
    """Each write by a writer of its own, released together."""
    return await outcomes(
        *(
            store.append(stream, [event], condition=condition)
            for store, (stream, event, condition) in zip(crowd, writes, strict=True)
        )
    )


@pytest.mark.guarantee("G5")
class Racing(Contract):
    """Appends, commands and decisions at the same time."""

    async def test_of_many_with_the_same_expected_version_one_wins(self, stores: Stores) -> None:
        crowd = await stores.crowd(8)
        for version in range(ROUNDS):
            results = await outcomes(*(store.append("a-1", [fact("X")], expected=version) for store in crowd))
            assert winners(results) == 1
        assert [e.version for e in await listed(crowd[0].read("a-1"))] == list(range(1, ROUNDS + 1))

    async def test_of_many_that_begin_a_stream_one_wins(self, stores: Stores) -> None:
        crowd = await stores.crowd(8)
        for i in range(ROUNDS):
            results = await outcomes(*(store.append(f"a-{i}", [fact("X")], expected=NO_STREAM) for store in crowd))
            assert winners(results) == 1

    async def test_of_many_with_the_same_condition_one_wins(self, stores: Stores) -> None:
        crowd = await stores.crowd(8)
        for i in range(ROUNDS):
            condition = AppendCondition(Query.of(types=["X"], tags=[f"t{i}"]), await crowd[0].head())
            results = await race(crowd, [(f"a-{n}", fact("X", f"t{i}"), condition) for n in range(len(crowd))])
            assert winners(results) == 1

    async def test_conditions_that_look_at_each_others_dimension_do_not_both_win(self, stores: Stores) -> None:
        crowd = await stores.crowd(2)
        for i in range(ROUNDS):
            after, tag = await crowd[0].head(), f"t{i}"
            by_type, by_tag = (
                AppendCondition(Query.of(types=["X"]), after),
                AppendCondition(Query.of(tags=[tag]), after),
            )
            results = await race(crowd, [("a-1", fact("Y", tag), by_type), ("b-1", fact("X", "u"), by_tag)])
            assert winners(results) == 1

    async def test_a_condition_on_everything_meets_a_tagged_append(self, stores: Stores) -> None:
        crowd = await stores.crowd(2)
        for i in range(ROUNDS):
            after = await crowd[0].head()
            on_all, on_tag = AppendCondition(Query.all(), after), AppendCondition(Query.of(tags=[f"t{i}"]), after)
            results = await race(crowd, [("a-1", fact("X", f"t{i}"), on_all), ("b-1", fact("Y", f"t{i}"), on_tag)])
            assert winners(results) == 1

    async def test_conditions_that_match_nothing_yet_let_one_win(self, stores: Stores) -> None:
        crowd = await stores.crowd(4)
        for i in range(ROUNDS):
            condition = AppendCondition(Query.of(types=["name.taken"], tags=[f"name:{i}"]))
            results = await race(
                crowd, [(f"user-{i}-{n}", fact("name.taken", f"name:{i}"), condition) for n in range(4)]
            )
            assert winners(results) == 1

    async def test_an_unconditional_append_is_seen_by_a_conditional_one_or_comes_after_it(self, stores: Stores) -> None:
        crowd = await stores.crowd(2)
        for i in range(ROUNDS):
            condition = AppendCondition(Query.of(tags=[f"t{i}"]))
            plain, conditional = await race(
                crowd, [("a-1", fact("X", f"t{i}"), None), ("b-1", fact("Y", f"t{i}"), condition)]
            )
            assert isinstance(plain, Receipt)
            assert isinstance(conditional, Conflict) or conditional.position < plain.position

    async def test_writers_with_unrelated_tags_all_win(self, stores: Stores) -> None:
        crowd = await stores.crowd(8)
        for i in range(ROUNDS):
            tags = [f"t{i}:{n}" for n in range(len(crowd))]
            results = await race(
                crowd, [("a-1", fact("X", tag), AppendCondition(Query.of(tags=[tag]))) for tag in tags]
            )
            assert winners(results) == len(crowd)

    async def test_sixteen_writers_on_one_stream_lose_no_update(self, stores: Stores) -> None:
        crowd = await stores.crowd(16)

        async def deposit(store: AsyncStore) -> None:
            for _ in range(10):
                await store.bind(accounts).handle("1", Deposit(1))

        await asyncio.gather(*map(deposit, crowd))

        assert await crowd[0].bind(accounts).state("1") == 160
        assert [e.version for e in await listed(crowd[0].read("account-1"))] == list(range(1, 161))

    async def test_no_more_is_taken_out_than_there_is(self, stores: Stores) -> None:
        crowd = await stores.crowd(16)
        await crowd[0].bind(accounts).handle("1", Deposit(5))
        results = await outcomes(*(store.bind(accounts).handle("1", Withdraw(1)) for store in crowd))
        assert Counter(type(result).__name__ for result in results) == {"Handled": 5, "Overdrawn": 11}
        assert {type(result) for result in results if isinstance(result, Exception)} == {Overdrawn}
        assert await crowd[0].bind(accounts).state("1") == 0

    async def test_no_course_takes_more_students_than_it_has_seats(self, stores: Stores) -> None:
        crowd = await stores.crowd(12)
        await crowd[0].append("course-db", [CourseDefined("db", 3)])

        async def joins(store: AsyncStore, student: str) -> object:
            model = compose(courses.tagged("course:db"), students.tagged(f"student:{student}"))
            return await store.decide(model, join("db", student), stream=f"student-{student}")

        results = await outcomes(*(joins(store, str(i)) for i, store in enumerate(crowd)))

        assert sum(isinstance(result, CourseFull) for result in results) == 9
        assert len([e for e in await listed(crowd[0].read()) if isinstance(e.data, Joined)]) == 3

    async def test_a_random_history_holds_every_condition_that_was_told_to_hold(self, stores: Stores) -> None:
        crowd = await stores.crowd(8)
        attempts: list[Attempt] = []

        async def writer(number: int, store: AsyncStore) -> None:
            random = Random(number)  # noqa: S311 - the same attempts each time; how they interleave is not
            attempts.extend([await _attempt(store, random) for _ in range(12)])

        await asyncio.gather(*(writer(i, store) for i, store in enumerate(crowd)))

        log = await listed(crowd[0].read())
        assert violations(log, attempts) == []
        told = Counter(attempt.position is not None for attempt in attempts)
        assert told[True] > 10, "there was nothing to look at: most attempts must be able to win"
        assert told[False] > 3, "there was nothing to look at: some attempts must meet a conflict"


async def _attempt(store: AsyncStore, random: Random) -> Attempt:
    def pick(names: str) -> list[str]:
        return random.sample(names, random.randrange(1, 3))

    kind = random.randrange(4)
    query = [
        Query.all(),
        Query.of(types=pick("XYZ")),
        Query.of(tags=pick("tuv")),
        Query.of(types=pick("XYZ"), tags=pick("tuv")) | Query.of(tags=pick("tuv")),
    ][kind]
    after = max(0, await store.head() - random.choice([0, 0, 0, 1, 3]))
    event = fact(random.choice("XYZ"), *pick("tuv"))
    await asyncio.sleep(0)
    try:
        receipt = await store.append(f"s-{random.choice('12')}", [event], condition=AppendCondition(query, after))
    except Conflict:
        return Attempt(query, after, None)
    return Attempt(query, after, receipt.position)
