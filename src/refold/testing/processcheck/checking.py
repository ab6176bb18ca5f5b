"""check_process: a process run in every order that matters, within a bound."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from refold.errors import UsageError, shortened
from refold.messages import Recorded
from refold.process import Process
from refold.testing.processcheck.behaviour import Behaviour
from refold.testing.processcheck.exploring import Explored, Possible, explored
from refold.testing.processcheck.findings import (
    Finding,
    after_the_end,
    caught_doing,
    lines,
    never_sent,
    no_way_out,
    troubles,
    unhandled,
)
from refold.testing.processcheck.samples import check_keys, events_for
from refold.testing.processcheck.watching import Watching

MOST: Final = 10_000
"""So many states are looked into, and ten times as many runs watched; then the check ends, whatever the depth."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked into: so many states of an instance, timers included, with these events from outside, up to a depth.

    `is_whole`: every state that there can be; else there are more, which only longer runs lead to.
    """

    states: int
    events: tuple[object, ...]
    depth: int
    is_whole: bool


class ProcessFaults(AssertionError):
    """A process has faults; `findings` has them, each with its run."""

    def __init__(self, name: str, findings: tuple[Finding, ...], checked: Checked) -> None:
        self.name, self.findings, self.checked = name, findings, checked
        super().__init__("\n".join(_report(name, findings, checked)))


def check_process(
    process: Process[Any, Any],
    *,
    depth: int = 6,
    events: Iterable[object] = (),
    ends: bool = True,
    must_send: Iterable[type[Any]] = (),
    idempotent: Collection[type[Any]] = (),
    recurring: Collection[type[Any]] = (),
    possible: Possible | None = None,
) -> Checked:
    """Run one instance in every order of events, timeouts, repeats and refusals, up to `depth` inputs, and look for faults.

    `events`: those of one instance, plain, of `in_stream(...)` or `Recorded`; for a class of which none is given, small ones are
    made up. `ends=False`: it goes on for ever by design. `must_send`: commands that some run must send. `idempotent`: commands
    that do nothing the second time, so that sending them twice is no fault. `recurring`: events that mean something each time,
    so that a second one is no repeat. `possible(event, seen)`: whether an event can come when the instance has been given
    events, and has asked commands, of the classes in `seen`; without it, every event comes at any time.

    Raises:
        ProcessFaults: an `AssertionError` whose text has each finding, with the shortest run that shows it.
        UsageError: it is no Process; `depth` is below 1; no event begins an instance; states cannot be compared; or events cannot
            be made up, or belong to several instances.
    """
    if depth < 1:
        raise UsageError(f"check_process(depth={depth}) runs nothing: one input at least.")
    if not isinstance(cast("object", process), Process):
        raise UsageError(f"check_process takes a Process, not {shortened(process)}: a saga is tested by spec(saga).")
    own = process.named
    given = tuple(events)
    id, samples = events_for(process, own, given)
    behaviour = Behaviour(process, id, notes=possible is not None)
    found, used = _explored(behaviour, samples, len(given), possible, depth)
    check_keys(process, used, id)  # not of what only comes back: at run time that is in the journal
    watching = Watching(behaviour, found, idempotent=idempotent, recurring=recurring)
    checked = Checked(len(found.far), tuple(event.data for event in used), depth, not any(True for _ in found.open()))
    findings = (
        *troubles(found),
        *after_the_end(found),
        *(no_way_out(found, depth) if ends else ()),
        *map(caught_doing, watching.caught(depth, 10 * MOST)),
        *unhandled(found, own),
        *never_sent(found, must_send),
    )
    if findings:
        raise ProcessFaults(process.name, tuple(_each_once(findings)), checked)
    return checked


def _explored(
    behaviour: Behaviour, samples: tuple[Recorded[Any], ...], given: int, possible: Possible | None, depth: int
) -> tuple[Explored, tuple[Recorded[Any], ...]]:
    """What the process itself lets come back does not come from outside as well, unless such an event was given."""
    caused = frozenset[type[Any]]()
    while True:
        used = (*samples[:given], *(event for event in samples[given:] if event.data.__class__ not in caused))
        starts = behaviour.process.starts_on
        if not any(not starts or isinstance(event.data, starts) for event in used):
            raise UsageError(
                f"no event begins an instance of process {behaviour.process.name!r}: give one, as in "
                "check_process(..., events=[...])."
            )
        found = explored(behaviour, [*map(behaviour.event, used)], possible, depth=depth, most=MOST)
        if found.caused() <= caused:
            return found, used
        caused |= found.caused()


def _each_once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Of those of one kind about the same, the one with the shortest run."""
    best: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        known = best.setdefault((finding.kind, finding.about), finding)
        if len(finding.run) < len(known.run):
            best[finding.kind, finding.about] = finding
    yield from best.values()


def _report(name: str, findings: tuple[Finding, ...], checked: Checked) -> Iterator[str]:
    count = "1 fault" if len(findings) == 1 else f"{len(findings)} faults"
    yield f"process {name!r} has {count} ({checked.states:,} states, runs of up to {checked.depth} inputs)"
    for number, finding in enumerate(findings, 1):
        first, *rest = lines(finding)
        yield f"  {number}. {first}"
        yield from rest
