"""Contract: an audit finds each event that was missed or counted twice, and delivers what was missed. Where there is SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

import pytest

from refold.aio import AsyncStore
from refold.aio_read_model import AsyncReadModel
from refold.columns import SqlValue
from refold.errors import NoSuchProjection, ProjectionChanged
from refold.flows.projections import audit
from refold.flows.projections import work as pipeline
from refold.flows.projections.builds import begun, made_of
from refold.flows.projections.findings import Audit
from refold.messages import Position, Recorded
from refold.ports import Backend, Own
from refold.projection import Projection, by_stream
from refold.testing.contract.base import Stores, listed
from refold.testing.contract.projecting import ModelContract
from refold.testing.contract.sample import Noted
from refold.testing.contract.working import Worker, deposit, histories, overtake, rows_of, taken_in


def plant(patch: pytest.MonkeyPatch, *, dropped: Collection[int] = (), twice: Collection[int] = ()) -> None:
    """Let the pipeline lose events at some positions, and deliver others twice."""
    whole: Any = vars(pipeline)["_wanted"]

    def times(recorded: Recorded[Any]) -> int:
        return 0 if recorded.position in dropped else 1 + (recorded.position in twice)

    def wanted(*args: Any) -> list[Recorded[Any]]:
        return [recorded for recorded in whole(*args) for _ in range(times(recorded))]

    patch.setattr(pipeline, "_wanted", wanted)


def own_key(recorded: Recorded[Any]) -> str:
    """Another key than the stream's name."""
    return f"{recorded.stream.id}!"


def at(*positions: int) -> tuple[Position, ...]:
    """These positions."""
    return tuple(map(Position, positions))


def audited(until: int, events: int, *, after: int = 0, **found: Any) -> Audit:
    """What an audit of `histories` gives."""
    return Audit("histories", Position(after), Position(until), events, **found)


async def in_parts(model: AsyncReadModel, count: int) -> None:
    """Begin the read model with its keys in so many partitions."""
    worker = Worker(model)

    async def flow(_: Backend) -> None:
        build = made_of(model.projection, 1, "active")
        await begun(worker.target, worker.runtime.clock, build, model.projection, count)

    await worker.run(flow)


_FORGET = "delete from {refold}applied where projection = :projection and build = :build"
_PUT_BACK = """
update {refold}partitions set position = :position, fence = fence + 1 where projection = :projection and build = :build"""
_SPLIT = """
update {refold}partitions set last_slot = :last, fence = fence + 1
where projection = :projection and build = :build and first_slot = 0"""
_OTHER = """
insert into {refold}partitions
select projection, build, :last + 1, 1023, position, stop_at, state, reason, fence, owner, leased_until, moved_at, applied, rate
from {refold}partitions where projection = :projection and build = :build and first_slot = 0"""
_SINCE = "update {refold}builds set audited_after = :position where projection = :projection and build = :build"


async def change(model: AsyncReadModel, *texts: str, **values: int) -> None:
    """Change the bookkeeping by hand."""
    worker = Worker(model)
    keys: dict[str, SqlValue] = {"projection": model.projection.name, "build": 1, **values}
    await worker.run(lambda _: worker.target.work([Own(text, keys) for text in texts]))


class Auditing(ModelContract):
    """`audit`."""

    @pytest.fixture
    def clean(self, sql_store: AsyncStore) -> AsyncReadModel:
        """A read model of a projection that never fails."""
        return sql_store.model(histories())

    async def test_a_read_model_that_took_in_all_is_sound(self, store: AsyncStore, clean: AsyncReadModel) -> None:
        await deposit(store, "a", *range(600))
        await store.append("note-1", [Noted("not handled")] * 3)
        await deposit(store, "b", *range(900))
        await clean.catch_up()
        found = await clean.audit()
        assert found == audited(1_503, 1_500)
        assert (found.applied, found.is_sound) == (1_500, True)
        assert str(found) == "projection 'histories', positions 1 to 1503: 1,500 events, each counts once."

    async def test_what_the_read_model_has_not_reached_is_not_audited(
        self, store: AsyncStore, clean: AsyncReadModel
    ) -> None:
        await clean.catch_up()
        assert await clean.audit() == audited(0, 0)
        await deposit(store, "a", 1)
        assert await clean.audit() == audited(0, 0)

    async def test_before_anything_was_begun_there_is_nothing_to_audit(self, clean: AsyncReadModel) -> None:
        with pytest.raises(NoSuchProjection):
            await clean.audit()

    async def test_another_version_cannot_audit(self, store: AsyncStore, clean: AsyncReadModel) -> None:
        await clean.catch_up()
        with pytest.raises(ProjectionChanged):
            await store.model(histories(version=2)).audit()

    async def test_missed_and_doubled_events_are_located_and_those_missed_delivered(
        self, store: AsyncStore, clean: AsyncReadModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await deposit(store, "a", *range(1, 701))
        await deposit(store, "b", *range(1, 801))
        with monkeypatch.context() as patch:
            plant(patch, dropped={700, 1_024, 1_500}, twice={1, 500, 1_023})
            await clean.catch_up()
        found = audited(1_500, 1_500, missing=at(700, 1_024, 1_500), doubled=at(1, 500, 1_023))
        assert await clean.audit() == found
        assert (found.is_sound, found.applied) == (False, 1_497)

        repaired = await clean.audit(repair=True)
        assert repaired == audited(1_500, 1_500, missing=found.missing, doubled=found.doubled, repaired=found.missing)
        assert not repaired.is_sound
        assert await clean.audit() == audited(1_500, 1_500, doubled=found.doubled)
        assert str((await rows_of(store))["a"]).split() == [
            "1",
            *map(str, range(1, 501)),
            "500",
            *map(str, range(501, 701)),
        ]
        assert str((await rows_of(store))["b"]).split()[-2:] == ["324", "800"]

    async def test_a_repaired_read_model_goes_on(
        self, store: AsyncStore, clean: AsyncReadModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await deposit(store, "a", 1, 2, 3)
        with monkeypatch.context() as patch:
            plant(patch, dropped={3})
            await clean.catch_up()
        repaired = await clean.audit(repair=True)
        assert (repaired.repaired, repaired.is_sound) == (at(3), True)
        await deposit(store, "a", 4)
        assert await clean.catch_up() == 1
        assert await rows_of(store) == {"a": " 1 2 3 4"}
        assert await clean.audit() == audited(4, 4)

    async def test_dead_letters_are_accounted_for(self, store: AsyncStore, clean: AsyncReadModel) -> None:
        failing = store.model(histories(poison={13, 17}))
        await deposit(store, "a", 1, 13, 2)
        await deposit(store, "b", 17, 3)
        await taken_in(failing)
        await failing.skip(4)
        found = audited(5, 5, parked=2, skipped=1)
        assert await clean.audit(repair=True) == found
        assert (found.applied, found.is_sound) == (2, True)
        await clean.retry()
        assert await clean.audit() == audited(5, 5, skipped=1)

    async def test_an_old_stretch_keeps_its_bits_when_an_event_of_it_is_retried(
        self, store: AsyncStore, clean: AsyncReadModel
    ) -> None:
        failing = store.model(histories(poison={1_013}))
        await deposit(store, "b", *range(1, 600))
        await deposit(store, "a", 1_013)
        await deposit(store, "b", *range(1, 800))
        await deposit(store, "b", *range(1, 800))
        await taken_in(failing)
        assert await clean.retry() == 1
        assert await clean.audit() == audited(2_198, 2_198)

    async def test_a_repair_that_fails_becomes_a_dead_letter(
        self, store: AsyncStore, clean: AsyncReadModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failing = store.model(histories(poison={13, 666}))
        await deposit(store, "a", 13, 2)
        await deposit(store, "b", 666)
        with monkeypatch.context() as patch:
            plant(patch, dropped={1, 2, 3})
            await failing.catch_up()
        found = await failing.audit(repair=True)
        assert (found.missing, found.repaired) == (at(1, 2, 3), ())
        assert [(each.position, each.state, each.attempts) for each in await failing.dead_letters()] == [
            (1, "failed", 1), (2, "waiting", 0), (3, "failed", 1),
        ]  # fmt: skip
        assert await failing.audit() == audited(3, 3, parked=3)
        assert await clean.retry() == 3
        assert await rows_of(store) == {"a": " 13 2", "b": " 666"}

    async def test_what_was_applied_and_should_not_have_been_is_unexpected(
        self, store: AsyncStore, clean: AsyncReadModel
    ) -> None:
        await deposit(store, "a", 1, 2, 3)
        await store.append("note-1", [Noted("x")])
        await clean.catch_up()
        narrow = Projection("histories", tables=clean.projection.tables)
        narrow.on(Noted)(lambda _: ())
        found = await store.model(narrow).audit()
        assert found == audited(4, 1, missing=at(4), unexpected=at(1, 2, 3))
        assert str(found) == (
            "projection 'histories', positions 1 to 4: 1 events, 1 missing (4), 3 unexpected (1, 2, 3). What counted too often "
            "cannot be taken back: build the read model anew, store.model(...).rebuild()."
        )

    async def test_positions_before_there_was_a_digest_are_not_audited(
        self, store: AsyncStore, clean: AsyncReadModel
    ) -> None:
        await deposit(store, "a", *range(5))
        await clean.catch_up()
        await change(clean, _FORGET, _SINCE, position=5)
        await deposit(store, "a", *range(100))
        await clean.catch_up()
        found = await clean.audit(repair=True)
        assert found == audited(105, 100, after=5)
        assert str(found).endswith(
            "each counts once. Positions up to 5 were applied before there was a digest of them, and are not audited."
        )

    async def test_a_checkpoint_that_was_put_back_shows_what_was_doubled_and_nothing_else(
        self, store: AsyncStore, clean: AsyncReadModel
    ) -> None:
        for _ in range(4):
            await deposit(store, "a", *range(800))
        await clean.catch_up()
        await change(clean, _PUT_BACK, position=1_500)
        assert await clean.catch_up() == 1_700
        assert await clean.audit() == audited(3_200, 3_200, doubled=at(*range(1_501, 3_201)))

    @pytest.mark.parametrize("key", [by_stream, own_key])
    async def test_partitions_that_are_not_equally_far_are_audited_each_as_far_as_it_is(
        self, sql_store: AsyncStore, monkeypatch: pytest.MonkeyPatch, key: Callable[[Recorded[Any]], str]
    ) -> None:
        model = sql_store.model(histories(key=key))
        await in_parts(model, 4)
        for account in range(40):
            await deposit(sql_store, f"{account}", 1, 2, 3)
        fast = [e.position for e in await listed(sql_store.read()) if 256 <= model.projection.slot(e) < 512]
        lost = fast[-1]
        with monkeypatch.context() as patch:
            plant(patch, dropped={lost})
            worker = Worker(model)
            work = await worker.take_up(256)
            while await worker.step(work):
                pass
        assert await model.audit(repair=True) == audited(120, len(fast), missing=(lost,), repaired=(lost,))
        await taken_in(model)
        assert await model.audit() == audited(120, 120)

    async def test_what_a_partition_applied_before_it_was_split_is_still_known(
        self, store: AsyncStore, clean: AsyncReadModel
    ) -> None:
        for i in range(60):
            await deposit(store, f"{i}", *range(20))
        await clean.catch_up()
        await change(clean, _SPLIT, _OTHER, last=511)
        for i in range(60):
            await deposit(store, f"{i}", *range(20))
        await taken_in(clean)
        assert await clean.audit() == audited(2_400, 2_400)

    async def test_progress_is_told(self, store: AsyncStore, clean: AsyncReadModel) -> None:
        await deposit(store, "a", *range(10))
        await clean.catch_up()
        told: list[tuple[int, int]] = []
        await clean.audit(progress=lambda position, until: told.append((position, until)))
        assert told == [(10, 10)]

    async def test_beside_work_and_retries_an_audit_raises_no_false_alarm(
        self, store: AsyncStore, clean: AsyncReadModel, stores: Stores
    ) -> None:
        failing = store.model(histories(poison={13}))
        (other, *_) = await stores.crowd(1)
        over = asyncio.Event()

        async def work() -> None:
            for i in range(30):
                await deposit(store, f"{i % 5}", 1, 13, 2)
                await taken_in(failing)
                await clean.retry()
            over.set()

        async def look() -> list[Audit]:
            found: list[Audit] = []
            while not over.is_set():
                if await other.head():
                    found.append(await _audit(other))
            return found

        _, found = await asyncio.gather(work(), look())
        assert [each for each in found if not each.is_sound] == []
        assert len(found) > 1
        assert await clean.audit() == audited(90, 90)

    @pytest.mark.parametrize("before", ["_letters", "stored_digest"])
    async def test_what_is_retried_while_the_audit_looks_is_no_finding(
        self, sql_store: AsyncStore, monkeypatch: pytest.MonkeyPatch, before: str
    ) -> None:
        await deposit(sql_store, "a", 1, 13, 2)
        await taken_in(sql_store.model(histories(poison={13})))
        model = sql_store.model(histories())
        if before == "stored_digest":
            overtake(monkeypatch, audit, before, model)
        else:
            letters: Any = vars(audit)["_Auditor"]._letters
            monkeypatch.setattr(audit, "letters", letters, raising=False)
            overtake(monkeypatch, audit, "letters", model)
            monkeypatch.setattr(vars(audit)["_Auditor"], "_letters", vars(audit)["letters"])
        assert await model.audit(repair=True) == audited(3, 3)
        assert await rows_of(sql_store) == {"a": " 1 13 2"}

    async def test_a_repair_that_was_overtaken_delivers_nothing_twice(
        self, store: AsyncStore, clean: AsyncReadModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await deposit(store, "a", 1, 2)
        await deposit(store, "b", 13)
        with monkeypatch.context() as patch:
            plant(patch, dropped={2})
            await taken_in(store.model(histories(poison={13})))
        overtake(monkeypatch, audit, "deliver", clean)
        assert await clean.audit(repair=True) == audited(3, 3, missing=at(2), repaired=at(2))
        assert await rows_of(store) == {"a": " 1 2", "b": " 13"}

    async def test_of_two_repairs_at_once_each_missed_event_is_delivered_once(
        self, store: AsyncStore, clean: AsyncReadModel, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await deposit(store, "a", *range(200))
        with monkeypatch.context() as patch:
            plant(patch, dropped=set(range(1, 201, 3)))
            await clean.catch_up()
        crowd = await stores.crowd(3)
        found = await asyncio.gather(*(each.model(histories()).audit(repair=True) for each in crowd))
        repaired = sorted(position for each in found for position in each.repaired)
        assert repaired == list(range(1, 201, 3))
        assert await clean.audit() == audited(200, 200)
        assert sorted(str((await rows_of(store))["a"]).split(), key=int) == [str(i) for i in range(200)]


async def _audit(store: AsyncStore) -> Audit:
    try:
        return await store.model(histories()).audit()
    except NoSuchProjection:
        return audited(0, 0)
