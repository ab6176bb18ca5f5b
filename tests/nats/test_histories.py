"""Random concurrent appends on one server, judged offline; and the judge, judged by faults. Ids and clocks of all kinds."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.faults.load import Report
from tests.nats.traffic import judged, loaded

from refold import AsyncStore, IdReused, NewEvent, Store
from refold.backends.nats import appending, identities, planning
from refold.backends.nats.facts import Fact
from refold.backends.nats.planning import Plan
from refold.backends.nats.subjects import Subjects
from refold.clock import as_uuid, uuid7
from refold.messages import RawEvent
from refold.ports import Append
from refold.testing.clock import ManualClock

pytestmark = [pytest.mark.guarantee("G5"), pytest.mark.guarantee("G4")]


def history(url: str, appends: int) -> Report:
    """So many acknowledged appends of six writers on two stores, judged."""
    with loaded(url, secrets.randbelow(10_000)) as load:
        load.answered(appends)
    return judged(url, load, [])


def test_random_appends_hold_every_condition(nats: str) -> None:
    report = history(f"{nats}/h{uuid4().hex}", 200)
    print(f"\n{report}")
    assert report.wrong[:3] == []


def test_appends_without_their_checks_are_found(nats: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: Callable[..., Plan] = planning.plan_of

    def without_guards(
        append: Append, subjects: Subjects, facts: Mapping[str, Fact], old: Mapping[str, int], last: int | None
    ) -> Plan:
        streams = {s: f for s, f in facts.items() if s.startswith(f"{subjects.root}e.")}
        plan = made(append, subjects, facts, old, None)
        for message in plan.messages:
            if not message.subject in streams:  # noqa: E713
                message.headers.clear()
            elif message.headers.get("Nats-Expected-Last-Subject-Sequence-Subject"):
                message.headers = {"Nats-Msg-Id": message.headers["Nats-Msg-Id"]}
        return plan

    monkeypatch.setattr(appending, "plan_of", without_guards)
    for _ in range(5):
        if wrong := history(f"{nats}/h{uuid4().hex}", 150).wrong:
            print(f"\nwithout checks: {wrong[0][:100]}")
            return
    pytest.fail("five times 150 appends without checks, and nothing was found")


@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=400), timedelta(days=-400)])
def test_an_append_is_repeated_whatever_time_its_id_was_made_at(nats: str, age: timedelta) -> None:
    url, clock = f"{nats}/h{uuid4().hex}", ManualClock()
    made = int((clock.time - age).timestamp() * 1_000) << 12
    id = as_uuid(uuid7(made, secrets.token_bytes(8)))
    new = NewEvent(RawEvent("X", {}), id=id)
    with Store.open(url, events=[RawEvent]) as one, Store.open(url, events=[RawEvent]) as other:
        first = one.append("a-1", [new])
        one.append("a-1", [RawEvent("Y", {})])
        again = other.append("a-1", [new], expected=0)
        assert (again.positions, again.repeated) == (first.positions, True)
        with pytest.raises(IdReused):
            other.append("b-1", [new])
        assert [event.id for event in other.find(id)] == [id]


def test_a_fresh_id_is_found_when_the_server_has_forgotten_it(nats: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{nats}/h{uuid4().hex}"
    with Store.open(url, events=[RawEvent]) as store:
        (id,) = store.append("a-1", [RawEvent("X", {})]).ids
        store.append("a-1", [RawEvent("Y", {})])
        monkeypatch.setattr(identities, "FRESH", -1)  # as if that had been long ago
        again = store.append("a-1", [NewEvent(RawEvent("X", {}), id=id)])
        assert (again.repeated, [event.id for event in store.find(id)]) == (True, [id])


async def test_times_do_not_go_back_though_clocks_disagree(nats: str) -> None:
    url = f"{nats}/h{uuid4().hex}"
    clocks = [ManualClock(), ManualClock(), ManualClock()]
    for hours, clock in enumerate(clocks):
        clock.move(timedelta(hours=-hours))

    async def write(clock: ManualClock, stream: str) -> None:
        async with await AsyncStore.open(url, events=[RawEvent], clock=clock) as store:
            for n in range(20):
                await store.append(stream, [RawEvent("X", {"n": n})])
                clock.move(timedelta(minutes=7))

    await asyncio.gather(*(write(clock, f"a-{n}") for n, clock in enumerate(clocks)))

    async with await AsyncStore.open(url, events=[RawEvent]) as store:
        events = [event async for event in store.read()]
        apart = [[event async for event in store.read(f"a-{n}")] for n in range(3)]
    times = [event.recorded_at for event in events]
    assert times == sorted(times)
    assert len(set(times)) >= 20  # each time of the clock that is ahead
    assert sorted((e for part in apart for e in part), key=lambda e: e.position) == events
