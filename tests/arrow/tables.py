"""What an Arrow table of events must hold, on every backend and both faces."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import Any

import msgspec
import pytest

from refold import MissingExtra, Query, RawEvent, Recorded, UnknownEventType, UsageError
from refold.aio import AsyncStore
from refold.arrow.table import ArrowTable
from refold.ports import PAGE
from refold.testing import ManualClock
from refold.testing.contract import Contract, Stores
from refold.testing.contract.base import listed
from refold.testing.contract.sample import fact

YEARS_AGO = datetime(2011, 10, 11, 11, 45, 40, 276_001, UTC)


async def history(stores: Stores) -> AsyncStore:
    """A store with events of all sorts."""
    clock, random = ManualClock(), Random(7)  # noqa: S311 - the same history each time
    store = await stores.open(clock=clock)
    await store.append("a-1", [fact("X", n=-1)])
    (cause,) = await listed(store.read())
    for i in range(30):
        told = [store, store.context(actor="ada", cause=cause, valid_at=YEARS_AGO, channel="wëb")][i % 2]
        stream, tags = random.choice(["a-1", "a-2", "b-a-1"]), random.sample(["t", "u", "v"], i % 4)
        await told.append(stream, [fact(random.choice(["X", "Y"]), *tags, n=i), fact("Z", text="ä\N{OWL}\0")])
        clock.move(timedelta(seconds=i % 2))
    return store


def row(event: Recorded[Any]) -> dict[str, Any]:
    """The row of an event by what `read` says of it, with its JSON decoded."""
    told = event.metadata
    return {
        "position": event.position,
        "stream": str(event.stream),
        "category": event.stream.category,
        "stream_id": event.stream.id,
        "version": event.version,
        "type": event.type,
        "schema_version": event.schema_version,
        "id": str(event.id),
        "recorded_at": event.recorded_at,
        "valid_at": event.valid_at,
        "data": event.data.data,
        "tags": sorted(event.tags),
        "correlation_id": told.correlation_id,
        "causation_id": told.causation_id,
        "actor": told.actor,
        "metadata": dict(told.free),
    }


def column(table: ArrowTable, name: str) -> list[Any]:
    """The values of one column."""
    return table.column(name).to_pylist()


class Tables(Contract):
    """`to_arrow`."""

    async def test_every_event_is_a_row_that_says_what_read_says(self, stores: Stores) -> None:
        store = await history(stores)
        rows = (await store.to_arrow()).to_pylist()
        rows = [each | {name: msgspec.json.decode(each[name]) for name in ("data", "metadata")} for each in rows]
        assert rows == [row(event) async for event in store.read()]

    async def test_it_needs_no_class(self, stores: Stores) -> None:
        store = await stores.open(events=())
        await store.append("a-1", [fact("X", n=1)])
        with pytest.raises(UnknownEventType):
            await listed(store.read())
        table = await store.to_arrow()
        assert table.select(["type", "data"]).to_pylist() == [{"type": "X", "data": '{"n":1}'}]

    async def test_it_selects_what_read_selects(self, stores: Stores) -> None:
        store = await history(stores)
        table = await store.to_arrow()
        times = column(table, "recorded_at")
        stories = column(table, "correlation_id")
        sources: list[dict[str, Any]] = [
            {}, {"stream": "a-1"}, {"category": "a"}, {"query": Query.of(types=["X", "Z"], tags=["t"]) | Query.of(types=["Y"])},
            {"correlation_id": stories[20]}, {"category": "unknown"},
        ]  # fmt: skip
        for source, after, since, until, limit in product(
            sources, (None, 3), (None, times[9]), (None, times[50]), (None, 0, 4)
        ):
            asked: dict[str, Any] = source | {"after": after, "since": since, "until": until, "limit": limit}
            found = await store.to_arrow(**asked)
            expected = [event.position async for event in store.read(**asked)]
            assert column(found, "position") == expected, asked
            assert found.schema == table.schema

    async def test_more_than_a_page_is_read_and_a_limit_may_lie_anywhere(self, store: AsyncStore) -> None:
        for first in range(0, 2 * PAGE, PAGE):
            await store.append("a-1", [fact("X", n=first + i) for i in range(PAGE)])
        await store.append("a-1", [fact("X", n=2 * PAGE)])
        for limit in (None, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 2 * PAGE + 1, 3 * PAGE):
            table = await store.to_arrow("a-1", limit=limit, data="struct")
            assert [each["n"] for each in column(table, "data")] == list(range(2 * PAGE + 1))[:limit]

    async def test_a_struct_has_a_field_for_each_key_with_the_type_of_its_values(self, store: AsyncStore) -> None:
        await store.append("a-1", [
            fact("X", name="ada", age=7, ok=True, size=1, when=None, lines=[{"sku": "s", "n": 1}], odd=1, none={}),
            fact("X", name=None, age=8, ok=False, size=1.5, when=None, lines=[{"n": 2}], odd="x", none={}),
            fact("Y", big=2**63, empty=[], deep={"a": {"b": [[1], []]}}),
        ])  # fmt: skip
        table = await store.to_arrow(data="struct")
        assert str(table.schema.field("data").type) == (
            "struct<name: string, age: int64, ok: bool, size: double, when: string, "
            "lines: list<item: struct<sku: string, n: int64>>, odd: string, none: string, "
            "big: string, empty: list<item: string>, deep: struct<a: struct<b: list<item: list<item: int64>>>>>"
        )
        nothing = dict.fromkeys(
            ["name", "age", "ok", "size", "when", "lines", "odd", "none", "big", "empty", "deep"], None
        )
        assert column(table, "data") == [
            nothing
            | {
                "name": "ada",
                "age": 7,
                "ok": True,
                "size": 1.0,
                "lines": [{"sku": "s", "n": 1}],
                "odd": "1",
                "none": "{}",
            },
            nothing
            | {"age": 8, "ok": False, "size": 1.5, "lines": [{"sku": None, "n": 2}], "odd": '"x"', "none": "{}"},
            nothing | {"big": "9223372036854775808", "empty": [], "deep": {"a": {"b": [[1], []]}}},
        ]

    async def test_a_field_whose_kind_changes_after_many_events_is_still_one_column(self, store: AsyncStore) -> None:
        await store.append("a-1", [fact("X", n=i) for i in range(PAGE)])
        await store.append("a-1", [fact("X", n=0.5)])
        numbers = await store.to_arrow(data="struct")
        await store.append("a-1", [fact("X", n="many")])
        texts = await store.to_arrow(data="struct")
        assert [each["n"] for each in column(numbers, "data")] == [*map(float, range(PAGE)), 0.5]
        assert [each["n"] for each in column(texts, "data")] == [*map(str, range(PAGE)), "0.5", '"many"']

    async def test_an_empty_store_gives_an_empty_table_with_the_same_columns(self, store: AsyncStore) -> None:
        empty = await store.to_arrow()
        struct = await store.to_arrow(data="struct")
        await store.append("a-1", [fact("X", n=1)])
        assert (empty.num_rows, empty.schema) == (0, (await store.to_arrow()).schema)
        assert (struct.num_rows, struct.schema) == (0, empty.schema)

    async def test_too_many_keys_for_a_struct_are_refused_with_what_to_do(self, store: AsyncStore) -> None:
        await store.append("a-1", [RawEvent("X", {f"k{i}": i for i in range(j, j + 501)}) for j in (0, 501)])
        with pytest.raises(UsageError, match="1,002 different keys, a struct takes 1,000: select fewer types"):
            await store.to_arrow(data="struct")
        assert (await store.to_arrow()).num_rows == 2

    async def test_what_makes_no_sense_is_a_usage_error(self, store: AsyncStore) -> None:
        wrong: Sequence[dict[str, Any]] = [{"data": "pickle"}, {"limit": -1}, {"stream": "a-1", "category": "a"}]
        for asked in wrong:
            with pytest.raises(UsageError):
                await store.to_arrow(**asked)

    async def test_without_pyarrow_it_says_what_to_install(
        self, store: AsyncStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delitem(sys.modules, "refold.arrow.table", raising=False)
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(MissingExtra, match=r"'pyarrow': pip install 'refold\[arrow\]'"):
            await store.to_arrow()
