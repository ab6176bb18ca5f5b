"""Any replica answers a read, and may be behind: nothing is left out for that, and no time is earlier."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from nats.aio.msg import Msg

from refold import AppendCondition, Conflict, NewEvent, Query, Store
from refold.backends.nats.log import Log
from refold.backends.nats.stored import Found
from refold.backends.nats.wire import Wire
from refold.flows.survey import verify_page
from refold.messages import RawEvent
from refold.ports import QueryMatched
from refold.testing.clock import ManualClock

pytestmark = [pytest.mark.guarantee("G5")]


def behind(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Each question is answered first by a replica that does not have yet what is asked for."""
    direct, asked_once = Log._direct, set[str]()

    async def lagging(log: Log, asked: dict[str, Any], *, many: bool = True) -> list[Msg]:
        question = json.dumps(asked)
        if question in asked_once:
            return await direct(log, asked, many=many)
        asked_once.add(question)
        if "up_to_seq" in asked:
            return await direct(log, asked | {"up_to_seq": max(asked["up_to_seq"] - 1, 1)}, many=many)
        return await direct(log, {"seq": 1 << 40, "next_by_subj": "nothing", "batch": 1}, many=many)

    monkeypatch.setattr(Log, "_direct", lagging)
    return asked_once


def seen(url: str) -> list[object]:
    """All that reads tell."""
    with Store.open(url, events=[RawEvent]) as store:
        events = list(store.read())
        middle = events[5].recorded_at
        return [
            events,
            list(store.read("a-1", direction="backward")),
            list(store.read(category="a", since=middle)),
            list(store.read("a-1", until=middle, direction="backward")),
            list(store.read(query=Query.of(tags=["t"]))),
            list(store.find(*(event.id for event in events))),
            list(store.streams()),
            store.stats(),
            *[store._engine.outside(partial(verify_page, after=after))[0] for after in (0, int(events[-2].position))],
        ]


def test_what_is_read_is_whole_though_each_replica_is_behind_at_first(
    nats: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, clock = f"{nats}/r{uuid4().hex}", ManualClock()
    with Store.open(url, events=[RawEvent], clock=clock) as store:
        for n in range(10):
            store.append(f"a-{n % 2}", [NewEvent(RawEvent("X", {"n": n}), tags=frozenset({"t"}))])
            clock.move(timedelta(minutes=1))
        store.append("b-1", [RawEvent("X", {}), RawEvent("X", {})])  # one right behind the other
    whole = seen(url)
    questions = behind(monkeypatch)
    assert seen(url) == whole
    assert len(questions) > 20


@pytest.mark.guarantee("G6")
@pytest.mark.parametrize("lost", ["first", "in between", "all but the end"])
def test_what_is_read_is_whole_though_parts_of_each_answer_are_lost_at_first(
    nats: str, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection is cut while the server answers, and what it still sends comes on the next one."""
    url = f"{nats}/r{uuid4().hex}"
    with Store.open(url, events=[RawEvent], clock=ManualClock()) as store:
        for n in range(20):
            store.append(f"a-{n % 2}", [NewEvent(RawEvent("X", {"n": n}), tags=frozenset({"t"}))])
    whole = seen(url)
    ask, asked_once = Wire.ask, set[bytes]()

    async def cut(wire: Wire, subject: str, body: bytes, **how: Any) -> list[Msg]:
        parts = await ask(wire, subject, body, **how)
        if len(parts) < 4 or body in asked_once:
            return parts
        asked_once.add(body)
        return {"first": parts[1:], "in between": [*parts[:1], *parts[2:]], "all but the end": parts[-1:]}[lost]

    monkeypatch.setattr(Wire, "ask", cut)
    assert seen(url) == whole
    assert len(asked_once) > 5


@pytest.mark.parametrize("query", [Query.of(tags=["t"]), Query.of(types=["X"])], ids=["of a tag", "of the whole log"])
def test_no_condition_is_held_to_what_a_leader_says_that_is_cut_off(
    nats: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leads no more and has not heard of it: what it calls the last message of a subject is older than what is known."""
    with Store.open(f"{nats}/r{uuid4().hex}", events=[RawEvent]) as store:
        first, second = (store.append(f"a-{n}", [tagged(n)]) for n in range(2))
        told, stale = Log.last, dict[str, Found | None]()

        async def as_of_then(log: Log, subject: str) -> Found | None:
            if ".t." in subject or subject.endswith(".e.>"):
                if subject not in stale:
                    stale[subject] = await log.following(subject, first.position)
                return stale[subject]
            return await told(log, subject)

        monkeypatch.setattr(Log, "last", as_of_then)
        with pytest.raises(Conflict) as conflict:
            store.append("a-2", [tagged(2)], condition=AppendCondition(query, after=first.position))
    (failure,) = conflict.value.failures
    assert isinstance(failure, QueryMatched)
    assert failure.actual == second.position


def tagged(number: int) -> NewEvent[RawEvent]:
    return NewEvent(RawEvent("X", {"n": number}), tags=frozenset({"t"}))
