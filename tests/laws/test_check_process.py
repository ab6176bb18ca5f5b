"""check_process against a plain model: runs tried out one by one, on processes that are tables of chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import event as note
from hypothesis import given, settings
from hypothesis import strategies as st

from refold import After, Cancel, Effect, Finish, Process, Recorded, Send, after, cancel, command, event, finish
from refold.process import Fail, fail
from refold.testing import check_process
from refold.testing.processcheck.checking import ProcessFaults
from refold.testing.processcheck.exploring import Taken
from refold.testing.processcheck.findings import Finding

DEPTH = 5
HOUR = timedelta(hours=1)


@event("a")
class A: ...


@event("b")
class B: ...


@event("t")
class T: ...


@event("u")
class U: ...


@event("r")
class R: ...


@command("x")
class X: ...


@command("y")
class Y: ...


def send(command: object) -> Send:
    return Send("thing", "1", command)


EFFECTS: tuple[Effect, ...] = (
    send(X()), send(X()), send(Y()), send(X()).otherwise(R()), after(HOUR, T()), after(2 * HOUR, U()), after(HOUR, U()),
    cancel(T), cancel(U), finish(), fail("so"),
)  # fmt: skip
CLASSES: tuple[type[Any], ...] = A, B, T, U, R
LAST = 2
Rows = dict[tuple[type[Any], int], tuple[int, tuple[Effect, ...]]]


@st.composite
def tables(draw: st.DrawFn) -> Rows:
    """What comes of each event in each state: the next one, and effects. From the last state there may be no way back."""
    effects = st.lists(st.sampled_from(EFFECTS), max_size=2).map(tuple)
    rows = {
        (cls, state): draw(st.tuples(st.integers(0, LAST), effects)) for cls in CLASSES for state in range(LAST + 1)
    }
    if draw(st.booleans()):
        rows |= {(cls, LAST): (LAST, without_end(rows[cls, LAST][1])) for cls in CLASSES}
    if draw(st.booleans()):
        rows |= {(cls, LAST): (LAST, ()) for cls in CLASSES}
    if draw(st.booleans()):
        rows |= {(A, 0): (1, (after(HOUR, T()),)), (B, 1): (1, (send(Y()),)), (T, 1): (0, (send(X()),))}
    return rows


def without_end(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    return tuple(one for one in effects if not isinstance(one, Finish | Fail))


def process_of(rows: Rows) -> Process[Any, int]:
    def react(e: Recorded[Any], state: int) -> Sequence[Effect]:
        return rows[type(e.data), state][1]

    def evolve(state: int, event: object) -> int:
        return rows[type(event), state][0]

    return Process("chance", int, react, evolve, events=CLASSES, starts_on=(A,))


# The model: every run, one by one ---------------------------------------------


@dataclass(frozen=True)
class World:
    """Where an instance is; timers are (delay, timeout), in the order in which they were set. `own` never comes from outside."""

    rows: Rows
    own: frozenset[type[Any]]
    begun: bool = False
    state: int = 0
    timers: tuple[tuple[timedelta, object], ...] = ()
    refusals: tuple[Send, ...] = ()
    ended: bool = False

    def choices(self) -> Iterator[tuple[object, str, int]]:
        if self.ended:
            return
        yield from ((cls(), "event", 0) for cls in CLASSES if cls not in self.own and (self.begun or cls is A))
        for at, (delay, timeout) in enumerate(self.timers):
            if not any(other < delay for other, _ in self.timers[:at]):  # set before, and due earlier
                yield timeout, "timeout", at
        yield from ((sent.fallback, "refusal", at) for at, sent in enumerate(self.refusals))

    def take(self, event: object, how: str, at: int) -> Took:
        state, effects = self.rows[type(event), self.state]
        timers, refusals = list(self.timers), list(self.refusals)
        if how == "timeout":
            del timers[at]
        if how == "refusal":
            del refusals[at]
        new: list[tuple[timedelta, object]] = []
        for effect in effects:
            match effect:
                case After(delay, timeout):
                    new.append((delay, timeout))
                case Cancel(cls):
                    timers, new = ([one for one in some if not isinstance(one[1], cls)] for some in (timers, new))
                case Send() if effect.fallback is not None:
                    refusals.append(effect)
                case _:
                    pass
        new.sort(key=lambda one: one[0])
        if any(isinstance(effect, Finish | Fail) for effect in effects):
            return Took(event, how, effects, self, World(self.rows, self.own, begun=True, state=state, ended=True))
        left = World(self.rows, self.own, begun=True, state=state, timers=(*timers, *new), refusals=tuple(refusals))
        return Took(event, how, effects, self, left)


@dataclass(frozen=True)
class Took:
    """One input, and where the instance was before and after it."""

    event: object
    how: str
    effects: tuple[Effect, ...]
    before: World
    after: World


def runs(world: World, depth: int, before: tuple[Took, ...] = ()) -> Iterator[tuple[Took, ...]]:
    if depth == 0:
        return
    for one, how, at in world.choices():
        run = (*before, world.take(one, how, at))
        yield run
        yield from runs(run[-1].after, depth - 1, run)


def start(rows: Rows) -> World:
    """What the process lets come back does not come from outside: until nothing new is found that does."""
    own = frozenset[type[Any]]()
    while True:
        world = World(rows, own)
        found = {type(one) for run in runs(world, DEPTH) for effect in run[-1].effects for one in causes(effect)}
        if found <= own:
            return world
        own |= found


def causes(effect: Effect) -> Iterator[object]:
    if isinstance(effect, After):
        yield effect.timeout
    if isinstance(effect, Send) and effect.fallback is not None:
        yield effect.fallback


# What the words mean, on a whole run ------------------------------------------


def sends(took: Took) -> list[object]:
    return [effect.command for effect in took.effects if isinstance(effect, Send)]


def end(effects: Sequence[Effect]) -> int:
    return next((at for at, effect in enumerate(effects) if isinstance(effect, Finish | Fail)), len(effects))


def is_after_the_end(run: Sequence[Took]) -> bool:
    return end(run[-1].effects) < len(run[-1].effects) - 1


def never_comes_back(run: Sequence[Took]) -> bool:
    effects = run[-1].effects
    early = effects[: end(effects)] if end(effects) < len(effects) else ()
    return any(
        (isinstance(one, After) and cancel(type(one.timeout)) not in effects[at:])
        or (isinstance(one, Send) and one.fallback is not None)
        for at, one in enumerate(early)
    )


def kept(run: Sequence[Took], first: int, last: int, timeout: object) -> bool:
    """Whether a timeout was set before the first step, and neither came, nor was cancelled or set anew, until the last."""
    return all(
        any(one == timeout for _, one in took.before.timers)
        and any(one == timeout for _, one in took.after.timers)
        and not any(isinstance(one, After) and one.timeout.__class__ is type(timeout) for one in took.effects)
        and (at == first or took.event != timeout)
        for at, took in enumerate(run[first:last], first)
    )


def is_double_send(run: Sequence[Took]) -> bool:
    last = len(run) - 1
    return any(
        is_double(run, first, last, one)
        for first in range(last)
        for one in sends(run[first])
        if one in sends(run[last])
    )


def is_double(run: Sequence[Took], first: int, last: int, one: object) -> bool:
    cause, final = run[first], run[last]
    if final.how == "event" and cause.how == "timeout":
        return last == first + 1
    if any(took.how == "refusal" and one == X() for took in run[first + 1 : last]):  # only X can be refused
        return False
    if final.how == "event":
        return cause.how == "event" and cause.event == final.event
    may_begin = cause.how == "event" or (cause.how == "timeout" and cause.event == final.event)
    return final.how == "timeout" and may_begin and kept(run, first, last, final.event)


def is_timer_left(run: Sequence[Took]) -> bool:
    last, final = len(run) - 1, run[-1]
    return final.after.ended and any(
        run[first].how == "event"
        and sends(run[first])
        and kept(run, first, last, timeout)
        and type(final.event) not in {type(run[first].event), type(timeout)}
        and cancel(type(timeout)) not in final.effects
        and any(isinstance(effect, Send) for effect in final.before.rows[type(timeout), final.before.state][1])
        for timeout, how, _ in final.before.choices()
        if how == "timeout"
        for first in range(last)
    )


JUDGES: dict[str, Callable[[Sequence[Took]], bool]] = {
    "after the end": is_after_the_end,
    "never comes back": never_comes_back,
    "double send": is_double_send,
    "timer left set": is_timer_left,
}


# The laws ---------------------------------------------------------------------


def findings(rows: Rows) -> tuple[Finding, ...]:
    try:
        check_process(process_of(rows), depth=DEPTH)
    except ProcessFaults as faults:
        return faults.findings
    return ()


def replayed(world: World, run: Sequence[Taken]) -> list[list[Took]]:
    """Every way in which the model can take these inputs: it tells equal timeouts apart."""
    ways: list[tuple[World, list[Took]]] = [(world, [])]
    for taken in run:
        how = "event" if taken.how == "repeat" else taken.how
        ways = [
            (took.after, [*before, took])
            for world, before in ways
            for one, kind, at in world.choices()
            if (one, kind) == (taken.event, how)
            for took in [world.take(one, kind, at)]
            if took.effects == taken.effects
        ]
    return [tooks for _, tooks in ways]


def shows(finding: Finding, run: list[Took]) -> bool:
    if finding.kind in JUDGES:
        return JUDGES[finding.kind](run)
    if finding.kind == "unhandled":
        return not run or (not run[-1].effects and run[-1].after.state == run[-1].before.state)
    last = run[-1].after
    further = [later[-1] for later in runs(last, DEPTH - 1)]
    if any(took.after.ended for took in further):
        return False
    is_still = all(not took.effects and took.after == last for took in further)
    return (finding.kind == "dead end") == (is_still and not last.timers and not last.refusals)


@settings(max_examples=150)
@given(tables())
def test_a_run_that_is_reported_replays_to_its_finding(rows: Rows) -> None:
    world = start(rows)
    for finding in findings(rows):
        note(finding.kind)
        if finding.kind == "never ends":
            assert not any(run[-1].after.ended for run in runs(world, DEPTH))
        else:
            ways = replayed(world, finding.run) if finding.run else [[]]
            assert any(shows(finding, run) for run in ways), finding


@settings(max_examples=150)
@given(tables())
def test_what_can_be_found_is_found_by_the_shortest_run(rows: Rows) -> None:
    every = [*runs(start(rows), DEPTH)]
    expected = {
        kind: min(lengths) for kind, judge in JUDGES.items() if (lengths := [len(run) for run in every if judge(run)])
    }
    actual: dict[str, int] = {}
    for finding in findings(rows):
        if finding.kind in JUDGES:
            actual[finding.kind] = min(len(finding.run), actual.get(finding.kind, DEPTH + 1))
    assert actual == expected
