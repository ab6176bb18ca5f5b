"""Any replica answers a read, and may be behind: nothing is left out for that, and no time is earlier."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from nats.aio.msg import Msg

from refold import NewEvent, Query, Store
from refold.backends.nats.log import Log
from refold.flows.survey import verify_page
from refold.messages import RawEvent
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
