"""Contract: an event that cannot be applied parks its key, and is applied again or given up without loss. Where there is SQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, time
from enum import Enum
from typing import Any, Final, TypeAlias, cast

import pytest

from refold.aio import AsyncStore
from refold.aio_read_model import AsyncReadModel
from refold.errors import NoSuchProjection, ProjectionChanged, UsageError
from refold.flows.projections import retrying
from refold.flows.projections.dead_letters import DeadLetter, DeadLetterGroup
from refold.messages import Position, Recorded
from refold.ports import Unclaimed
from refold.projection import Projection
from refold.tables import Change, Table
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Stores, outcomes
from refold.testing.contract.projecting import ModelContract
from refold.testing.contract.sample import Deposited, Noted, Withdrawn
from refold.testing.contract.working import (
    FAILS_IN_SQL,
    HISTORIES,
    History,
    Worker,
    asking,
    deposit,
    histories,
    overtake,
    rows_of,
    taken_in,
)

Letters: TypeAlias = list[tuple[int, str, str, str, int]]


async def letters_of(model: AsyncReadModel) -> Letters:
    """The dead letters, but for their times."""
    return [
        (int(each.position), each.key, each.state, each.error, each.attempts) for each in await model.dead_letters()
    ]


def failed(position: int, key: str, amount: int, attempts: int = 1) -> tuple[int, str, str, str, int]:
    """A dead letter of a poisonous amount."""
    error = f"Poisoned: amount {amount} in histories.<locals>.paid_in on 'account.deposited'"
    return position, key, "failed", error, attempts


def waiting(position: int, key: str) -> tuple[int, str, str, str, int]:
    """A dead letter behind another."""
    return position, key, "waiting", "", 0


def _keyed(wrong: object) -> Callable[[Recorded[Any]], Any]:
    return lambda e: wrong if e.stream.id == "b" else str(e.stream)


class Kind(Enum):
    """What an account is opened with."""

    CASH = "cash"


@dataclass(frozen=True)
class Opening:
    """A row in which each field could be given something else."""

    amount: int
    kind: Kind = Kind.CASH
    at: time = time(8)
    seen: datetime | None = None
    said: object = ()


_MAKE: Final = "let the handler make one of it, or give the field another type."
_ZONE: Final = "it has a time zone, which no column keeps of a time of day: take a datetime."
UNFIT: Final[Mapping[str, tuple[Opening, str]]] = {
    "an enum": (
        Opening(13, kind=cast("Any", "cash")),
        f"'kind' of table 'openings' cannot be 'cash', which is no Kind: {_MAKE}",
    ),
    "a time": (
        Opening(13, seen=cast("Any", "today")),
        f"'seen' of table 'openings' cannot be 'today', which is no datetime: {_MAKE}",
    ),
    "a time with a time zone": (
        Opening(13, at=time(8, tzinfo=UTC)),
        f"'at' of table 'openings' cannot be datetime.time(8, 0, tzinfo=datetime.timezone.utc): {_ZONE}",
    ),
    "JSON": (
        Opening(13, said=(object,)),
        "'said' of table 'openings' cannot be (<class 'object'>,): Encoding objects of type type is unsupported",
    ),
}
"""Rows that cannot be kept, told when they are put or when all is done together, and what is told of them."""


def opening(wrong: Opening) -> Projection:
    """A row for each deposit; that of 13 is another."""
    rows = Table("openings", Opening, key="amount")
    projection = Projection("openings", tables=[rows])

    @projection.on(Deposited)
    def open(event: Recorded[Deposited]) -> Iterator[Change]:
        yield rows.put(wrong if event.data.amount == 13 else Opening(event.data.amount))

    return projection


class Parking(ModelContract):
    """`dead_letters`, `retry` and `skip`."""

    @pytest.fixture
    def failing(self, sql_store: AsyncStore) -> AsyncReadModel:
        """A read model of a projection that fails at 13 and at 17."""
        return sql_store.model(histories(poison={13, 17}))

    async def test_an_event_that_fails_parks_its_key_and_the_others_go_on(
        self, store: AsyncStore, failing: AsyncReadModel
    ) -> None:
        await deposit(store, "a", 1, 13, 2)
        await deposit(store, "b", 3)
        await deposit(store, "a", 4)
        await taken_in(failing)
        assert await rows_of(store) == {"a": " 1", "b": " 3"}
        assert await letters_of(failing) == [
            failed(2, "account-a", 13),
            waiting(3, "account-a"),
            waiting(5, "account-a"),
        ]

    @pytest.mark.parametrize(("wrong", "told"), UNFIT.values(), ids=UNFIT)
    async def test_a_row_that_does_not_fit_its_table_parks_its_key_and_the_others_go_on(
        self, sql_store: AsyncStore, wrong: Opening, told: str
    ) -> None:
        model = sql_store.model(opening(wrong))
        await deposit(sql_store, "a", 1, 13, 2)
        await deposit(sql_store, "b", 3)
        await taken_in(model)
        assert await sql_store.query("select amount from openings order by amount") == [(1,), (3,)]
        told = f"UsageError: field {told} in opening.<locals>.open on 'account.deposited'"
        assert await letters_of(model) == [(2, "account-a", "failed", told, 1), waiting(3, "account-a")]
        assert await sql_store.model(opening(Opening(13))).retry() == 2
        assert await sql_store.query("select amount from openings order by amount") == [(1,), (2,), (3,), (13,)]

    @pytest.mark.parametrize("key", [None, 7], ids=["none", "a number"])
    @pytest.mark.parametrize("parts", [1, 3], ids=["whole", "in parts"])
    async def test_an_event_whose_key_is_no_text_is_parked_under_its_stream_and_the_others_go_on(
        self, sql_store: AsyncStore, key: object, parts: int
    ) -> None:
        model = sql_store.model(histories(key=_keyed(key)))
        await model.catch_up()
        await model.repartition(parts)
        await deposit(sql_store, "a", 1)
        await deposit(sql_store, "b", 2, 3)
        await taken_in(model)
        assert await rows_of(sql_store) == {"a": " 1"}
        told = (
            f"UsageError: key of projection 'histories' gave {key!r} for 'account.deposited' at position 2: let it give text. "
            "in histories.<locals>.paid_in on 'account.deposited'"
        )
        assert await letters_of(model) == [(2, "account-b", "failed", told, 1), waiting(3, "account-b")]
        assert await sql_store.model(histories(key=_keyed("the same"))).retry() == 2
        assert await rows_of(sql_store) == {"a": " 1", "b": " 2 3"}

    async def test_a_dead_letter_tells_when_it_was_parked(self, stores: Stores, failing: AsyncReadModel) -> None:
        clock = ManualClock()
        store = await stores.open(clock=clock)
        await deposit(store, "a", 13)
        mine = store.model(failing.projection)
        await taken_in(mine)
        (letter,) = await mine.dead_letters()
        assert letter == DeadLetter(Position(1), "account-a", "failed", letter.error, 1, letter.parked_at)
        assert letter.parked_at.utcoffset() is not None

    async def test_with_a_mended_handler_a_retry_applies_all_in_order_and_the_key_goes_on(
        self, store: AsyncStore, failing: AsyncReadModel
    ) -> None:
        await deposit(store, "a", 1, 13, 2, 17, 3)
        await deposit(store, "b", 13, 4)
        await taken_in(failing)
        mended = store.model(histories())
        assert await mended.retry() == 6
        assert await mended.dead_letters() == ()
        await deposit(store, "a", 5)
        await taken_in(failing)
        assert await rows_of(store) == {"a": " 1 13 2 17 3 5", "b": " 13 4"}

    async def test_a_retry_that_fails_again_keeps_the_error_and_those_behind_it(
        self, store: AsyncStore, failing: AsyncReadModel
    ) -> None:
        await deposit(store, "a", 13, 2, 17, 3)
        await taken_in(failing)
        assert await failing.retry() == 0
        assert await letters_of(failing) == [
            failed(1, "account-a", 13, attempts=2), *(waiting(position, "account-a") for position in (2, 3, 4)),
        ]  # fmt: skip
        assert await store.model(histories(poison={17})).retry() == 2
        assert await letters_of(failing) == [failed(3, "account-a", 17), waiting(4, "account-a")]
        assert await rows_of(store) == {"a": " 13 2"}

    async def test_a_retry_of_one_key_leaves_the_others(self, store: AsyncStore, failing: AsyncReadModel) -> None:
        await deposit(store, "a", 13)
        await deposit(store, "b", 13)
        await taken_in(failing)
        mended = store.model(histories())
        assert await mended.retry("account-b") == 1
        assert await mended.retry("account-c") == 0
        assert await letters_of(failing) == [failed(1, "account-a", 13)]

    async def test_one_key_that_fails_again_does_not_hold_the_others_up(
        self, store: AsyncStore, failing: AsyncReadModel
    ) -> None:
        for account, amount in (("a", 13), ("b", 17), ("c", 13)):
            await deposit(store, account, amount)
        await taken_in(failing)
        assert await store.model(histories(poison={17})).retry() == 2
        assert await letters_of(failing) == [failed(2, "account-b", 17, attempts=2)]

    async def test_a_retry_until_a_position_leaves_what_is_beyond(
        self, store: AsyncStore, failing: AsyncReadModel
    ) -> None:
        await deposit(store, "a", 13, 1, 2, 3)
        await taken_in(failing)
        mended = store.model(histories())
        assert await mended.retry(until=2) == 2
        assert await letters_of(failing) == [waiting(3, "account-a"), waiting(4, "account-a")]
        await deposit(store, "a", 4)
        await taken_in(failing)
        assert await rows_of(store) == {"a": " 13 1"}
        assert await mended.retry("account-a", until=10) == 3
        assert await rows_of(store) == {"a": " 13 1 2 3 4"}

    async def test_more_than_a_batch_is_retried(self, store: AsyncStore, failing: AsyncReadModel) -> None:
        await deposit(store, "a", 13, *range(100, 1_000))
        await taken_in(failing)
        assert await store.model(histories(poison={990})).retry() == 1 + 890
        assert await store.model(histories()).retry() == 10
        assert await rows_of(store) == {"a": "".join(f" {amount}" for amount in (13, *range(100, 1_000)))}

    async def test_what_fails_in_the_database_is_found_among_many(
        self, store: AsyncStore, failing: AsyncReadModel
    ) -> None:
        await deposit(store, "a", 13, *range(100, 140), 666, 1)
        await taken_in(failing)
        broken = store.model(histories(poison={FAILS_IN_SQL}))
        assert await broken.retry() == 41
        first, last = await letters_of(broken)
        assert (first[0], first[2], first[4]) == (42, "failed", 1)
        assert first[3].startswith("UsageError: ")
        assert "in histories.<locals>.paid_in on 'account.deposited'" in first[3]
        assert last == waiting(43, "account-a")
        assert await store.model(histories()).retry() == 2
        assert await rows_of(store) == {"a": "".join(f" {amount}" for amount in (13, *range(100, 140), 666, 1))}

    async def test_handlers_that_ask_are_retried_too(self, store: AsyncStore, failing: AsyncReadModel) -> None:
        await store.append("account-a", [Withdrawn(1), Withdrawn(13), Withdrawn(2), Withdrawn(3)])
        await taken_in(store.model(asking(poison={13})))
        assert [letter.position for letter in await failing.dead_letters()] == [2, 3, 4]
        assert await store.model(asking()).retry() == 3
        assert await rows_of(store) == {"a": " 1 13 2 3"}

    async def test_effects_of_parked_events_happen_when_they_are_applied(
        self, store: AsyncStore, failing: AsyncReadModel
    ) -> None:
        def told(poison: AbstractSet[int]) -> Projection:
            projection = histories(poison=poison)
            projection.effect(Deposited)(lambda e: [HISTORIES.put(History(f"effect-{e.position}"))])
            return projection

        await deposit(store, "a", 13, 2)
        await taken_in(store.model(told({13})))
        assert await rows_of(store) == {}
        assert await store.model(told(set())).retry() == 2
        assert await rows_of(store) == {"a": " 13 2", "effect-1": "", "effect-2": ""}

    async def test_a_skipped_event_is_given_up_and_those_behind_it_are_applied(
        self, store: AsyncStore, failing: AsyncReadModel
    ) -> None:
        await deposit(store, "a", 1, 13, 2, 17, 3)
        await taken_in(failing)
        assert await failing.skip(2) == 1
        position, key, _, error, attempts = failed(2, "account-a", 13)
        skipped = position, key, "skipped", error, attempts
        assert await letters_of(failing) == [skipped, failed(4, "account-a", 17), waiting(5, "account-a")]
        assert await failing.skip(4) == 1
        assert [letter.state for letter in await failing.dead_letters()] == ["skipped", "skipped"]
        assert await rows_of(store) == {"a": " 1 2 3"}
        assert await store.model(histories()).retry() == 0

    async def test_a_key_of_which_all_is_skipped_is_not_parked_any_more(
        self, store: AsyncStore, failing: AsyncReadModel
    ) -> None:
        await deposit(store, "a", 13)
        await taken_in(failing)
        assert await failing.skip(1) == 0
        await deposit(store, "a", 2)
        await taken_in(failing)
        assert await rows_of(store) == {"a": " 2"}
        assert [letter.state for letter in await failing.dead_letters()] == ["skipped"]

    async def test_skipping_one_that_waits_does_not_try_the_one_before_it(
        self, store: AsyncStore, failing: AsyncReadModel
    ) -> None:
        await deposit(store, "a", 13, 2, 3)
        await taken_in(failing)
        assert await failing.skip(2) == 0
        assert [(state, attempts) for _, _, state, _, attempts in await letters_of(failing)] == [
            ("failed", 1), ("skipped", 0), ("waiting", 0),
        ]  # fmt: skip
        assert await store.model(histories()).retry() == 2
        assert await rows_of(store) == {"a": " 13 3"}

    async def test_skipping_again_changes_nothing(self, store: AsyncStore, failing: AsyncReadModel) -> None:
        await deposit(store, "a", 13, 2)
        await taken_in(failing)
        assert await failing.skip(1) == 1
        assert await failing.skip(1) == 0
        assert await rows_of(store) == {"a": " 2"}

    async def test_what_is_not_parked_cannot_be_skipped(self, store: AsyncStore, failing: AsyncReadModel) -> None:
        await deposit(store, "a", 1)
        await taken_in(failing)
        with pytest.raises(UsageError, match="no dead letter of position 1"):
            await failing.skip(1)

    async def test_before_anything_was_begun_there_is_nothing_to_mend(self, failing: AsyncReadModel) -> None:
        for call in (failing.dead_letters(), failing.dead_letter_groups(), failing.retry(), failing.skip(1)):
            with pytest.raises(NoSuchProjection):
                await call

    async def test_another_version_may_look_and_not_mend(self, store: AsyncStore, failing: AsyncReadModel) -> None:
        await deposit(store, "a", 13)
        await taken_in(failing)
        other = store.model(histories(version=2))
        assert await letters_of(other) == [failed(1, "account-a", 13)]
        for call in (other.retry(), other.retry("account-a"), other.skip(1)):
            with pytest.raises(ProjectionChanged):
                await call
        assert await letters_of(other) == [failed(1, "account-a", 13)]

    async def test_groups_tell_what_fails_most(self, store: AsyncStore, failing: AsyncReadModel) -> None:
        await deposit(store, "a", 13, 2, 3)
        await deposit(store, "b", 666)
        await deposit(store, "c", 17, 2)
        await store.append("note-1", [Noted("x")])
        await taken_in(store.model(histories(poison={13, 17, FAILS_IN_SQL})))
        one, last, other = [each for each in await failing.dead_letters() if each.state == "failed"]
        assert await failing.dead_letter_groups() == (
            DeadLetterGroup("Poisoned", "account.deposited", 2, 3, one.position, other.position, other),
            DeadLetterGroup("UsageError", "account.deposited", 1, 0, last.position, last.position, last),
        )

    async def test_many_dead_letters_are_listed_page_after_page(
        self, store: AsyncStore, failing: AsyncReadModel
    ) -> None:
        for _ in range(3):
            await deposit(store, "a", 13, *range(100, 899))
        await taken_in(failing)
        assert [letter.position for letter in await failing.dead_letters()] == list(range(1, 2_401))
        assert [(group.failed, group.waiting) for group in await failing.dead_letter_groups()] == [(1, 2_399)]

    async def test_many_keys_are_retried_page_after_page(
        self, store: AsyncStore, failing: AsyncReadModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retrying, "PAGE", 20)
        for i in range(50):
            await deposit(store, f"{i}", 13)
        await taken_in(failing)
        assert await store.model(histories(poison={13})).retry() == 0
        assert {letter.attempts for letter in await failing.dead_letters()} == {2}
        assert await store.model(histories()).retry() == 50
        assert await failing.dead_letters() == ()

    async def test_who_works_on_the_partition_looks_anew_after_a_retry_and_a_skip(
        self, store: AsyncStore, failing: AsyncReadModel
    ) -> None:
        async def late(mend: Callable[[], Awaitable[int]]) -> None:
            worker = Worker(failing)
            work = await worker.take_up()
            await mend()
            await deposit(store, "a", 5)
            with pytest.raises(Unclaimed):
                await worker.step(work)

        await deposit(store, "a", 13, 2)
        await taken_in(failing)
        await late(store.model(histories()).retry)
        await taken_in(failing)
        assert await rows_of(store) == {"a": " 13 2 5"}
        await deposit(store, "a", 17)
        await taken_in(failing)
        await late(lambda: failing.skip(4))
        await taken_in(failing)
        assert await rows_of(store) == {"a": " 13 2 5 5"}

    async def test_retries_that_race_apply_each_event_once(
        self, store: AsyncStore, failing: AsyncReadModel, stores: Stores
    ) -> None:
        for account in "abcdefgh":
            await deposit(store, account, 13, *range(100, 160))
        await taken_in(failing)
        crowd = await stores.crowd(4)
        applied = await outcomes(*(each.model(histories()).retry() for each in crowd))
        assert sum(applied) == 8 * 61
        assert set((await rows_of(store)).values()) == {"".join(f" {amount}" for amount in (13, *range(100, 160)))}

    async def test_a_retry_that_was_overtaken_applies_nothing_twice(
        self, store: AsyncStore, failing: AsyncReadModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await deposit(store, "a", 13, 1, 2)
        await taken_in(failing)
        mended = store.model(histories())
        overtake(monkeypatch, retrying, "deliver", mended)
        assert await mended.retry() == 0
        assert await rows_of(store) == {"a": " 13 1 2"}
