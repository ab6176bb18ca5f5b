"""Sagas and processes on a backend that fails at one call of many: whoever goes on writes the same journals."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import msgspec
from tests.faults.checkout import EVENTS, Approved, order, parts
from tests.faults.driving import Driven, to_the_end
from tests.faults.judging import contradictions, journals, processes
from tests.faults.outside import Outside
from tests.faults.scripted import Died, Failing

from refold import OutcomeUnknown, Recorded, Store, StoreError
from refold.duties import Runs
from refold.flows.processes.journal import ENTRIES, Parked
from refold.ports import Backend
from refold.testing import ManualClock

Way: TypeAlias = Literal["busy", "unknown", "dead", "gone"]
"""How a call fails: nothing was done; nobody knows; the process died when it was done, or before."""
WAYS: Final[Sequence[Way]] = get_args(Way)
NEVER: Final = 10**9
STORIES: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "all goes well": ("checkout", ("plain-1",)),
    "it is declined": ("checkout", ("poor-1",)),
    "nobody knows whether the money was taken": ("checkout", ("dumb-1",)),
    "it is undone": ("checkout", ("torn-1",)),
    "it cannot be undone": ("checkout", ("mean-1",)),
    "it is stuck after the pivot": ("checkout", ("lost-1",)),
    "it waits, and hears": ("checkout", ("ask-1",)),
    "it waits in vain": ("checkout", ("ask-2",)),
    "others were quicker": ("checkout", ("rare-1", "rare-2", "rare-3")),
    "letters come in time": ("watch", ("plain-1",)),
    "letters are lost": ("watch", ("dumb-1",)),
    "a saga and a process": ("", ("plain-1", "late-1", "torn-1")),
}
"""Which of the two runs, or both, and for which orders."""
_GONE: Final = StoreError, OutcomeUnknown, Died
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOVABLE: Final = frozenset({"due", "position", "version"})

Found: TypeAlias = Mapping[str, object]


def told(story: str, at: int, way: Way) -> tuple[int, Found, list[str]]:
    """How many calls there were, what is in the journals and outside, and what is wrong."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open("sqlite:///:memory:", events=EVENTS, clock=(clock := ManualClock())) as store,
    ):
        world, (only, orders) = Outside(str(Path(folder) / "outside.db"), 1, 0.0), STORIES[story]
        some = [part for part in parts(world) if only == "" or getattr(part, "name", only) in {only, "post.letter"}]
        for id in orders:
            store.append(f"order-{id}", [order(id), *([Approved()] if id == "ask-1" else [])])
        failing: Any = (Gone if way == "gone" else Failing)(store._engine.view, at, "dead" if way == "gone" else way)
        to_the_end(store, clock, lambda: Driven(cast("Backend", failing), store._runtime, some), _GONE)
        return failing.calls, found(store, some, world), contradictions(store, some, world)


class Gone(Failing):
    """A process that dies just before the call has any effect."""

    async def _call(self, call: Any, *, changes: bool) -> Any:
        return await super()._call(call, changes=False)


def found(store: Store, some: Sequence[Runs], world: Outside) -> Found:
    """All that is in the journals, with ids and in order, but for times and places; and what happened outside."""
    entries: dict[str, object] = {}
    for process in processes(some):
        for id, journal in journals(store, process).items():
            told = [(_id(each), each.type, str(each.metadata.causation_id), _lasting(each.data)) for each in journal]
            entries[f"{process.name}-{id}"] = _renamed(told) if len(processes(some)) > 1 else told
    return {**entries, **{subject: world.happened_to(subject) for subject in world.subjects()}}


def _lasting(entry: Any) -> object:
    """An entry without what may be another one: when, and where in the store."""
    if not isinstance(entry, ENTRIES):
        return None
    data = msgspec.to_builtins(entry)
    return {name: value for name, value in data.items() if name not in _MOVABLE} if isinstance(data, dict) else data


def whichever_call_fails(story: str, way: Way, *, some: int | None = None, same: bool = True) -> tuple[int, list[str]]:
    """How many calls failed, one in each run, all or `some`; and what was wrong after the first that left something wrong.

    `same`: the journals must be the same each time.
    """
    calls, undisturbed, wrong = told(story, NEVER, way)
    assert wrong == [], wrong
    every = 1 if some is None else 1 + calls // some
    chosen = range(1 + every * WAYS.index(way) // len(WAYS), calls + 1, every)
    for at in chosen:
        _, now, wrong = told(story, at, way)
        others = [name for name in undisturbed if now.get(name) != undisturbed[name]]
        wrong += [f"{name} is not as it was undisturbed" for name in others if same]
        if wrong:
            return at, [f"call {at} {way}", *wrong]
    return len(chosen), []


def _id(each: Recorded[Any]) -> str:
    """Its id; but a message may be parked again and again, so that one's is a new one each time."""
    return "" if isinstance(each.data, Parked) else str(each.id)


def _renamed(told: object) -> str:
    """With numbers for ids, in the order in which these come up: those of a decider's events are new ones each time."""
    names: dict[str, str] = {}
    return _UUID.sub(lambda found: names.setdefault(found[0], f"#{len(names)}"), repr(told))
