"""Contract: what was accepted reads back equal; what would not is refused, and nothing of its append is written."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from math import inf, nan
from typing import Any, Final
from uuid import UUID

import pytest

from refold.aio import AsyncStore
from refold.errors import InvalidEvent, InvalidName, UndecodableEvent, UnknownEventType
from refold.messages import RawEvent
from refold.testing.contract.base import Contract, Stores, listed
from refold.testing.contract.sample import Deposited, Noted, Said, accounts, fact


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = None
    for _ in range(depth):
        value = [value]
    return value


GOOD: Final[list[Any]] = [
    None, True, False, 0, -1, 2**53 + 1, -(2**63), 2**64 - 1, 10**30, -(10**30), 0.1, -0.0, 5e-324, 1.7976931348623157e308,
    "", "\x00", "\x1f\x7f", "ä", "🦊", "\u2028", "\ufeff", "'; drop table events; --", "x" * 100_000,
    [], {}, [[]], [1, [2.5, {"a": None}]], {"": 1}, {"k" * 300: [True]}, nested(64),
]  # fmt: skip

BAD: Final[dict[str, Any]] = {
    "nan": nan, "inf": inf, "minus-inf": -inf, "nan-inside": [1, nan],
    "surrogate": "\ud800", "surrogate-key": {"\udfff": 1},
    "tuple": (1, 2), "tuple-inside": [(1,)], "int-key": {1: "a"}, "set": {1, 2}, "bytes": b"bytes",
    "int-of-5000-digits": 10**5_000, "deep": nested(100_000), "object": object(),
    "decimal": Decimal(1), "uuid": UUID(int=1), "date": date(2026, 1, 1), "datetime": datetime(2026, 1, 1, tzinfo=UTC),
}  # fmt: skip


class Data(Contract):
    """The data of events."""

    @pytest.mark.guarantee("G13")
    @pytest.mark.parametrize("value", GOOD, ids=[repr(value)[:30] for value in GOOD])
    async def test_json_reads_back_equal_and_of_the_same_type(self, store: AsyncStore, value: Any) -> None:
        await store.append("thing-1", [Said(value), fact("thing.raw", what=value)])
        said, raw = await listed(store.read())
        assert (said.data, raw.data) == (Said(value), RawEvent("thing.raw", {"what": value}))
        assert (repr(said.data), repr(raw.data.data)) == (repr(Said(value)), repr({"what": value}))

    @pytest.mark.guarantee("G13")
    @pytest.mark.parametrize("name", BAD)
    async def test_what_would_not_read_back_equal_is_refused_and_nothing_is_written(
        self, store: AsyncStore, name: str
    ) -> None:
        for bad in (Said(BAD[name]), fact("thing.raw", what=BAD[name])):
            with pytest.raises(InvalidEvent, match=r"event 'thing\.(said|raw)'"):
                await store.append("thing-1", [Noted("fine"), bad])
        assert (await store.head(), await listed(store.read())) == (0, [])
        await store.append("thing-1", [Noted("the store is usable afterwards")])

    @pytest.mark.parametrize("value", ["ten", None, 1.5, [1]])
    async def test_data_that_do_not_fit_their_own_annotation_are_refused(self, store: AsyncStore, value: Any) -> None:
        with pytest.raises(InvalidEvent, match=r"event 'account\.deposited' cannot be stored"):
            await store.append("account-1", [Deposited(1), Deposited(value)])
        assert await store.head() == 0

    @pytest.mark.parametrize("type", ["", " ", "a\nb", "t" * 201, "\ud800", 7])
    async def test_a_raw_event_has_a_printable_type(self, store: AsyncStore, type: Any) -> None:
        with pytest.raises(InvalidName, match=r"is not an? event type"):
            await store.append("thing-1", [RawEvent(type, {})])
        assert await store.head() == 0

    async def test_an_unknown_type_is_an_error_that_names_its_place(self, stores: Stores) -> None:
        store = await stores.open(events=(Noted,))
        await store.append("thing-1", [Noted("fine")])
        position = (await store.append("thing-1", [fact("thing.unknown")])).position

        with pytest.raises(UnknownEventType, match=r"Name its class in the fold's union") as caught:
            await listed(store.read())

        error = caught.value
        assert (error.type, error.stream, error.version, error.position) == ("thing.unknown", "thing-1", 2, position)
        assert error.known == ("note.taken",)

    async def test_data_that_do_not_fit_the_class_are_an_error_that_names_its_place(self, store: AsyncStore) -> None:
        await store.append("account-1", [Deposited(1)])
        position = (await store.append("account-1", [fact("account.deposited", amount="many")])).position

        for read in (lambda: listed(store.read()), lambda: store.bind(accounts).state("1")):
            with pytest.raises(UndecodableEvent, match="Expected `int`, got `str`") as caught:
                await read()
            error = caught.value
            assert (error.type, error.stream, error.version, error.position) == (
                "account.deposited", "account-1", 2, position,
            )  # fmt: skip

    async def test_another_schema_version_is_an_error_that_names_both(self, store: AsyncStore) -> None:
        await store.append("account-1", [RawEvent("account.deposited", {"amount": 1}, version=2)])
        with pytest.raises(UndecodableEvent, match="stored with schema version 2, the class has version 1"):
            await store.bind(accounts).state("1")

    async def test_unknown_fields_are_tolerated_on_read(self, store: AsyncStore) -> None:
        await store.append("account-1", [fact("account.deposited", amount=1, colour="red")])
        assert [e.data for e in await listed(store.read())] == [Deposited(1)]

    async def test_a_fold_reads_only_the_types_that_it_names(self, store: AsyncStore) -> None:
        await store.append("account-1", [Deposited(1), Noted("not of an account")])
        with pytest.raises(UnknownEventType) as caught:
            await store.bind(accounts).state("1")
        assert (caught.value.version, caught.value.known) == (2, ("account.deposited", "account.withdrawn"))
