"""Contract: append conditions, each sentence of the dynamic consistency boundary a test."""

from __future__ import annotations

from itertools import product

import pytest

from refold.aio import AsyncStore
from refold.errors import Conflict, UsageError
from refold.messages import Position
from refold.ports import QueryMatched
from refold.query import AppendCondition, Query, QueryItem
from refold.testing.contract.base import Contract, listed
from refold.testing.contract.sample import CourseDefined, Joined, fact

X, Y = "X", "Y"


async def conflicts(store: AsyncStore, condition: AppendCondition) -> bool:
    """Whether an append under the condition is refused; it must then tell the last position that matches."""
    before = await listed(store.read())
    matching = [e.position for e in before if condition.query.matches(e.type, e.tags)]
    try:
        await store.append("probe-1", [fact("probe")], condition=condition)
    except Conflict as conflict:
        told = conflict.failures
    else:
        return False
    assert told == (QueryMatched(condition, matching[-1]),)
    assert await listed(store.read()) == before
    return True


@pytest.mark.guarantee("G5")
class Conditions(Contract):
    """`AppendCondition(query, after)`."""

    async def test_an_event_after_the_position_conflicts_and_one_at_it_does_not(self, store: AsyncStore) -> None:
        first = (await store.append("a-1", [fact(X, "t")])).position
        last = (await store.append("a-1", [fact(X, "t")])).position
        query = Query.of(types=[X], tags=["t"])

        assert await conflicts(store, AppendCondition(query, first - 1))
        assert await conflicts(store, AppendCondition(query, first))
        assert not await conflicts(store, AppendCondition(query, last))

    async def test_a_position_above_the_head_is_legal(self, store: AsyncStore) -> None:
        last = (await store.append("a-1", [fact(X, "t")])).position
        assert not await conflicts(store, AppendCondition(Query.of(tags=["t"]), last + 1_000))
        assert not await conflicts(store, AppendCondition(Query.all(), Position(2**53)))

    async def test_without_a_position_any_match_conflicts(self, store: AsyncStore) -> None:
        await store.append("a-1", [fact(X, "t")])
        await store.append("b-1", [fact(Y)])
        assert await conflicts(store, AppendCondition(Query.of(tags=["t"])))
        assert not await conflicts(store, AppendCondition(Query.of(tags=["other"])))

    async def test_the_events_of_one_append_do_not_conflict_with_each_other(self, store: AsyncStore) -> None:
        condition = AppendCondition(Query.of(types=[X], tags=["t"]))
        receipt = await store.append("a-1", [fact(X, "t"), fact(X, "t")], condition=condition)
        assert receipt.version == 2
        with pytest.raises(Conflict):
            await store.append("a-1", [fact(X, "t")], condition=condition)

    async def test_items_are_or_ed(self, store: AsyncStore) -> None:
        query = Query.of(types=[X], tags=["t"]) | Query.of(types=[Y], tags=["u"])
        await store.append("a-1", [fact(X, "u"), fact(Y, "t"), fact("Z", "t", "u")])
        assert not await conflicts(store, AppendCondition(query))
        await store.append("a-1", [fact(Y, "u")])
        assert await conflicts(store, AppendCondition(query))

    async def test_within_an_item_the_type_is_one_of_the_types(self, store: AsyncStore) -> None:
        await store.append("a-1", [fact(Y)])
        assert await conflicts(store, AppendCondition(Query.of(types=[X, Y])))
        assert not await conflicts(store, AppendCondition(Query.of(types=[X, "Z"])))

    async def test_within_an_item_the_event_carries_all_of_the_tags(self, store: AsyncStore) -> None:
        await store.append("a-1", [fact(X, "t", "u", "v"), fact(X, "w")])
        assert await conflicts(store, AppendCondition(Query.of(tags=["t", "v"])))
        assert not await conflicts(store, AppendCondition(Query.of(tags=["t", "w"])))

    async def test_an_absent_list_does_not_restrict(self, store: AsyncStore) -> None:
        await store.append("a-1", [fact(X, "t")])
        assert await conflicts(store, AppendCondition(Query.of(types=[X])))
        assert await conflicts(store, AppendCondition(Query.of(tags=["t"])))
        assert not await conflicts(store, AppendCondition(Query.of(types=[X], tags=["u"])))
        assert not await conflicts(store, AppendCondition(Query.of(types=[Y], tags=["t"])))

    async def test_the_query_for_everything_conflicts_with_everything(self, store: AsyncStore) -> None:
        assert not await conflicts(store, AppendCondition(Query.all()))
        assert await conflicts(store, AppendCondition(Query.all()))
        assert not await conflicts(store, AppendCondition(Query.all(), await store.head()))

    async def test_an_empty_item_is_rejected(self) -> None:
        with pytest.raises(UsageError, match="needs a type or a tag"):
            QueryItem()
        with pytest.raises(UsageError, match="needs a type or a tag"):
            Query.of()

    async def test_tags_are_a_set(self, store: AsyncStore) -> None:
        await store.append("a-1", [fact(X, "u", "t", "t")])
        (event,) = await listed(store.read(query=Query.of(tags=["t", "u"])))
        assert event.tags == {"t", "u"}

    async def test_tags_that_an_event_derives_count_beside_those_that_it_is_given(self, store: AsyncStore) -> None:
        await store.append("course-1", [CourseDefined("c", 1), Joined("c", "s")])
        assert [e.data for e in await listed(store.read(query=Query.of(tags=["course:c"])))] == [
            CourseDefined("c", 1),
            Joined("c", "s"),
        ]
        assert await conflicts(store, AppendCondition(Query.of(types=["course.joined"], tags=["student:s"])))

    async def test_unrelated_tags_never_conflict(self, store: AsyncStore) -> None:
        for i in range(20):
            condition = AppendCondition(Query.of(types=[X], tags=[f"user:{i}"]))
            await store.append(f"user-{i}", [fact(X, f"user:{i}")], condition=condition)
        assert len(await listed(store.read())) == 20

    @pytest.mark.parametrize(
        "tag",
        [
            "a,b", "a b", "a|b", "a:b", "a/b", 'a"b', "a'b", "a\\b", "a%b", "a_b", "a*b", "[a]", "null",
            "ä", "Ä", "a\u0308", "日", "🦊", "t" * 200,
        ],
    )  # fmt: skip
    async def test_separators_case_and_unicode_in_tags_are_compared_character_by_character(
        self, store: AsyncStore, tag: str
    ) -> None:
        near = {tag.swapcase(), tag[:1], tag[1:] or "x", tag[:-1] + "x", "a", "b", tag.replace("a", "aa")} - {tag}
        await store.append("a-1", [fact(X, other) for other in sorted(near)])
        assert not await conflicts(store, AppendCondition(Query.of(tags=[tag])))
        await store.append("a-1", [fact(X, tag)])
        assert await conflicts(store, AppendCondition(Query.of(tags=[tag])))
        assert [e.tags for e in await listed(store.read(query=Query.of(tags=[tag])))] == [{tag}]

    async def test_types_are_compared_character_by_character(self, store: AsyncStore) -> None:
        await store.append("a-1", [fact("Thing.Done"), fact("thing.done ")])
        assert not await conflicts(store, AppendCondition(Query.of(types=["thing.done"])))
        assert await conflicts(store, AppendCondition(Query.of(types=["Thing.Done"])))

    async def test_a_query_of_many_items_and_an_event_of_many_tags(self, store: AsyncStore) -> None:
        await store.append("a-1", [fact(X, *(f"t{i}" for i in range(1_000)))])
        items = [QueryItem(frozenset({X}), frozenset({f"u{i}"})) for i in range(2_000)]
        assert not await conflicts(store, AppendCondition(Query(frozenset(items))))
        assert await conflicts(
            store, AppendCondition(Query(frozenset([*items, QueryItem(tags=frozenset({"t7", "t999"}))])))
        )
        assert len(await listed(store.read(query=Query.of(tags=[f"t{i}" for i in range(1_000)])))) == 1

    async def test_conditions_agree_with_matching_in_python(self, store: AsyncStore) -> None:
        kinds = [fact(type, *tags) for type, tags in product([X, Y], [(), ("t",), ("u",), ("t", "u")])]
        positions = [(await store.append("a-1", [kind])).position for kind in kinds]
        stored = await listed(store.read())
        items = [
            QueryItem(frozenset(types), frozenset(tags))
            for types, tags in product([(), (X,), (Y,), (X, Y)], [(), ("t",), ("u",), ("t", "u"), ("v",)])
            if types or tags
        ]
        for item, other, after in product(items, items[::5], [0, *positions[1::3], positions[-1]]):
            query = Query(frozenset({item, other}))
            matching = [e for e in stored if e.position > after and query.matches(e.type, e.tags)]
            assert await listed(store.read(query=query, after=after)) == matching
        for item, after in product(items, [0, positions[-2]]):
            condition = AppendCondition(Query(frozenset({item})), after)
            expected = any(e.position > after and item.matches(e.type, e.tags) for e in stored)
            assert await conflicts(store, condition) == expected, condition
