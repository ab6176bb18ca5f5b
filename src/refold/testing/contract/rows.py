"""Contract: rows of a `Table` are what the handlers say, also those that handlers look up, whatever the batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

import pytest

from refold.aio import AsyncStore
from refold.errors import UsageError
from refold.messages import Recorded
from refold.projection import Asking, Caused, Projection, ask, sql
from refold.tables import Table
from refold.testing.contract.projecting import ModelContract
from refold.testing.contract.sample import Deposited, Noted, Withdrawn


class Colour(Enum):
    """A value of a few."""

    RED = "red"
    BLUE = "blue"
    NONE = "null"


@dataclass(frozen=True)
class Everything:
    """One field of each kind."""

    id: int
    text: str
    number: float
    flag: bool
    data: bytes
    moment: datetime
    day: date
    time: time
    span: timedelta
    price: Decimal
    uuid: UUID
    colour: Colour
    words: tuple[str, ...]
    nothing: int | None = None
    perhaps: datetime | None = None
    tint: Colour | None = Colour.NONE


@dataclass(frozen=True)
class Balance:
    """What is in an account, and how often it changed."""

    id: str
    amount: int = 0
    changes: int = 0


everything = Table("everything", Everything, key="id")
balances = Table("balances", Balance, key="id")
FULL = Everything(
    7, "ä'\"\\", 1.5, flag=True, data=b"\x00\xff", moment=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), day=date(2026, 1, 2),
    time=time(23, 59, 59, 999_999), span=timedelta(days=-1, microseconds=7),
    price=Decimal("12345678901234567890.12"), uuid=UUID(int=5), colour=Colour.BLUE, words=("a", "b"),
)  # fmt: skip


def looking_up() -> Projection:
    """Balances, each handler seeing the row as those before it left it."""
    projection = Projection("balances", tables=[balances])

    @projection.on(Deposited, get=lambda e: balances[e.stream.id])
    def deposit(event: Recorded[Deposited], row: Balance | None) -> Iterator[Caused]:
        row = row or Balance(event.stream.id)
        yield balances.put(replace(row, amount=row.amount + event.data.amount, changes=row.changes + 1))

    @projection.on(Withdrawn, get=lambda e: balances[e.stream.id])
    def withdraw(event: Recorded[Withdrawn], row: Balance | None) -> Iterator[Caused]:
        if row is not None:
            yield balances.patch(event.stream.id, amount=row.amount - event.data.amount)
            yield balances.patch(event.stream.id, changes=row.changes + 1)

    @projection.on(Noted)
    def close(event: Recorded[Noted]) -> Iterator[Caused]:
        yield balances.delete(event.data.text)

    return projection


@dataclass(frozen=True)
class Parcel:
    """A key of several parts, kept as JSON in which their order says nothing."""

    labels: frozenset[str]
    sizes: Mapping[str, int] = field(hash=False)


ALIKE: Final[Mapping[str, Sequence[object]]] = {
    "decimals": [Decimal("1.0"), Decimal("1.00"), Decimal(1), Decimal("1E+0"), Decimal("1.0")],
    "hundreds": [Decimal(100), Decimal("1E+2"), Decimal("100.00")],
    "zeros": [Decimal(0), Decimal("-0.0"), Decimal("0E+3")],
    "many digits": [Decimal("123456789012345678901234567890.120"), Decimal("123456789012345678901234567890.12")],
    "moments": [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))],
    "floats": [0.0, -0.0],
    "parcels": [
        Parcel(frozenset({"ccc", "a", "bb"}), {"zz": 1, "a": 2}), Parcel(frozenset({"bb", "ccc", "a"}), {"a": 2, "zz": 1}),
    ],
}  # fmt: skip
"""Keys that are equal, whatever they look like."""


def counting(keys: Sequence[object]) -> tuple[Table[Any], Projection]:
    """How often each key came: that of an event is the one with its number."""
    row: type[Any] = make_dataclass("Counted", [("key", type(keys[0])), ("n", int)], frozen=True)
    rows = Table("counted", row, key="key")
    projection = Projection("counted", tables=[rows])

    @projection.on(Deposited, get=lambda e: rows[keys[e.data.amount]])
    def count(event: Recorded[Deposited], found: Any) -> Iterator[Caused]:
        yield rows.put(row(keys[event.data.amount], 1 if found is None else found.n + 1))

    return rows, projection


class TableRows(ModelContract):
    """`Table`, `get=` and `ask`."""

    async def test_a_row_of_every_kind_of_field_comes_back_equal(self, sql_store: AsyncStore) -> None:
        found: list[Everything | None] = []
        projection = Projection("everything", tables=[everything])

        @projection.on(Deposited)
        def put(event: Recorded[Deposited]) -> Iterator[Caused]:
            yield everything.put(FULL)

        @projection.on(Noted, get=lambda _: everything[7])
        def look(event: Recorded[Noted], row: Everything | None) -> Iterator[Caused]:
            found.append(row)
            yield everything.patch(7, perhaps=FULL.moment, words=("c",), nothing=3)

        await sql_store.append("account-1", [Deposited(1)])
        await sql_store.catch_up(projection)
        for _ in range(2):
            await sql_store.append("note-1", [Noted("look")])
            await sql_store.catch_up(projection)
        assert found == [FULL, replace(FULL, perhaps=FULL.moment, words=("c",), nothing=3)]

    @pytest.mark.parametrize("at_once", [True, False])
    async def test_handlers_see_the_row_as_those_before_them_left_it(
        self, sql_store: AsyncStore, at_once: bool
    ) -> None:
        for events in (
            [Deposited(5), Withdrawn(2)], [Withdrawn(1)], [Deposited(1), Deposited(1)],
        ):  # fmt: skip
            await sql_store.append("account-a", events)
            await sql_store.append("account-b", events[:1])
            if not at_once:
                await sql_store.catch_up(looking_up())
        await sql_store.append("note-1", [Noted("nobody")])
        await sql_store.catch_up(looking_up())
        assert await sql_store.query("select id, amount, changes from balances order by id") == [
            ("a", 4, 5),
            ("b", 5, 3),
        ]
        await sql_store.append("note-1", [Noted("a")])
        await sql_store.append("account-a", [Withdrawn(1)])
        await sql_store.append("account-b", [Deposited(1)])
        await sql_store.catch_up(looking_up())
        assert await sql_store.query("select id, amount, changes from balances order by id") == [("b", 6, 4)]

    async def test_a_handler_that_asks_sees_what_was_done_before_it_in_the_same_step(
        self, sql_store: AsyncStore
    ) -> None:
        projection = Projection("asked", schema="create table asked (n integer, before integer)")

        @projection.on(Deposited)
        def count(event: Recorded[Deposited]) -> Asking:
            ((before,),) = yield ask("select count(*) from asked where n < :n", n=event.data.amount)
            yield sql("insert into asked values (:n, :before)", n=event.data.amount, before=before)

        await sql_store.append("account-1", [Deposited(i) for i in range(20)])
        await sql_store.catch_up(projection)
        assert await sql_store.query("select n, before from asked order by n") == [(i, i) for i in range(20)]

    async def test_a_table_of_composite_keys_is_looked_up_by_all_of_them(self, sql_store: AsyncStore) -> None:
        @dataclass(frozen=True)
        class Cell:
            row: str
            column: int
            hits: int = 1

        cells = Table("cells", Cell, key=("row", "column"))
        projection = Projection("cells", tables=[cells])

        @projection.on(Deposited, get=lambda e: cells[e.data.to, e.data.amount % 3])
        def hit(event: Recorded[Deposited], cell: Cell | None) -> Iterator[Caused]:
            yield cells.put(Cell(event.data.to, event.data.amount % 3, cell.hits + 1 if cell else 1))

        await sql_store.append("account-1", [Deposited(i, to="ab"[i % 2]) for i in range(60)])
        await sql_store.catch_up(projection)
        await sql_store.append("account-1", [Deposited(0, to="a")])
        await sql_store.catch_up(projection)
        expected = [("a", 0, 11), ("a", 1, 10), ("a", 2, 10), ("b", 0, 10), ("b", 1, 10), ("b", 2, 10)]
        assert await sql_store.query('select "row", "column", hits from cells order by 1, 2') == expected

    @pytest.mark.parametrize("keys", ALIKE.values(), ids=ALIKE)
    async def test_equal_keys_are_one_row_however_they_are_written(
        self, sql_store: AsyncStore, keys: Sequence[object]
    ) -> None:
        rows, projection = counting(keys)
        for number in range(len(keys)):
            await sql_store.append("account-1", [Deposited(number)])
            await sql_store.catch_up(projection)
        await sql_store.append("account-1", [Deposited(number) for number in range(len(keys))])
        await sql_store.catch_up(projection)
        folded = await sql_store.live(projection).rows(rows)
        assert await sql_store.query("select n from counted") == [(2 * len(keys),)]
        assert [(key == keys[0], row.n) for key, row in folded.items()] == [(True, 2 * len(keys))]

    async def test_a_table_that_is_not_its_own_is_not_changed(self, sql_store: AsyncStore) -> None:
        projection = Projection("stranger", schema="create table stranger (a integer)")

        @projection.on(Deposited)
        def put(event: Recorded[Deposited]) -> Iterator[Caused]:
            yield balances.put(Balance("a"))

        await sql_store.append("account-1", [Deposited(1)])
        with pytest.raises(UsageError, match="which is not its own"):
            await sql_store.catch_up(projection)
