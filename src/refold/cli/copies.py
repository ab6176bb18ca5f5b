"""What came of a copy, in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from refold.cli.consent import counted
from refold.cli.output import chosen, print_object
from refold.cli.saying import say
from refold.copying.changes import KINDS
from refold.copying.digests import StreamDigest, Totals
from refold.copying.report import Copied, Equivalence, States, StreamDifference
from refold.forms import encode


class Told(msgspec.Struct, frozen=True):
    """A copy, or without `copied` the plan of one."""

    report: Equivalence
    copied: Copied | None
    seconds: float

    @property
    def is_fine(self) -> bool:
        """Whether nothing was found that should not be."""
        if self.copied is None:
            return not self.strangers
        states = self.report.states
        return self.report.is_equal and not (states and (states.differing or states.incomparable))

    @property
    def strangers(self) -> list[StreamDifference]:
        """Streams of the target that hold something else than the beginning of what they should."""
        return [each for each in self.report.differences if each.version <= each.found.events]


def told(report: Equivalence, copied: Copied | None, seconds: float) -> Told:
    """What is to be told."""
    return Told(report, copied, round(seconds, 3))


def print_told(told: Told, output: str, *, streams: bool) -> None:
    """On stdout."""
    if chosen(output) in {"table", "plain"}:
        for line in _lines(told, streams=streams):
            say(line)
    else:
        print_object(_form(told, streams=streams), output, lambda: None)


# In words ------------------------------------------------------------------------


def _lines(told: Told, *, streams: bool) -> Iterator[str]:
    report = told.report
    yield from _planned(told) if told.copied is None else _copied(told, told.copied)
    for kind, count in (report.changes or {}).items():
        yield f"transform: {count:,} {kind} ({KINDS[kind]})"
    if told.copied is not None:
        yield from _compared(report)
    if streams:
        yield from (f"{name}\t{held.events}\t{held.digest.hex()}" for name, held in sorted(report.streams.items()))


def _planned(told: Told) -> Iterator[str]:
    report = told.report
    yield f"the source holds {_held(report.source)}, up to position {report.position}."
    if report.changes is not None:
        yield f"the transform makes of them {_held(report.expected)}."
    left = report.expected.events - report.target.events
    yield f"the target holds {_held(report.target)}: {counted(max(0, left), 'event')} would be copied. Nothing was written."
    for each in told.strangers:
        yield from _difference(each)


def _copied(told: Told, copied: Copied) -> Iterator[str]:
    if copied.read or told.seconds:
        made = "" if told.report.changes is None else f" as {copied.written:,}"
        rate = f", {copied.read / told.seconds:,.0f} events/s" if copied.read >= 1_000 else ""  # noqa: PLR2004 - below, it means nothing
        yield (
            f"copied {counted(copied.read, 'event')}{made}, up to position {copied.position}, "
            f"in {told.seconds:.2f} s{rate}"
        )


def _compared(report: Equivalence) -> Iterator[str]:
    if report.is_equal:
        what = "its source" if report.changes is None else "what the transform makes"
        yield f"the copy is equal to {what}: {_held(report.target)}, digest {report.target.digest}"
    else:
        yield f"the copy is NOT what it should be: {_held(report.expected)}, digest {report.expected.digest};"
        yield f"it holds {_held(report.target)}, digest {report.target.digest}"
    if not report.differing and not report.is_equal:
        yield "each stream is as it should be, but their events do not follow each other in the same order"
    for each in report.differences:
        yield from _difference(each)
    yield from _more(report.differing - len(report.differences), "differing stream")
    if report.states is not None:
        yield f"states: {report.states.compared:,} compared, {report.states.differing:,} differ"
        for state in report.states.shown:
            yield f"state of {state.stream!r}: {_json(state.source)} became {_json(state.target)}"
        yield from _more(report.states.differing - len(report.states.shown), "differing state")
        if report.states.incomparable:
            yield (
                f"states: {report.states.incomparable:,} cannot be compared: give their class an __eq__, or fields that "
                "have a form in JSON"
            )


def _difference(each: StreamDifference) -> Iterator[str]:
    yield str(each)
    for field in each.fields:
        yield f"  {field.field}: should be {_json(field.expected)}, is {_json(field.found)}"


def _more(count: int, what: str) -> Iterator[str]:
    if count > 0:
        yield f"and {counted(count, f'more {what}')}."


def _held(totals: Totals) -> str:
    return f"{counted(totals.events, 'event')} in {counted(totals.streams, 'stream')}"


def _json(value: object) -> str:
    return encode(value).decode()


# As JSON -------------------------------------------------------------------------


def _form(told: Told, *, streams: bool) -> dict[str, Any]:
    report, copied = told.report, told.copied
    form: dict[str, Any] = {
        "read": copied.read if copied else 0,
        "written": copied.written if copied else 0,
        "position": int(report.position),
        "seconds": told.seconds,
        "equal": report.is_equal,
        "source": report.source,
        "expected": report.expected,
        "target": report.target,
        "changes": report.changes,
        "differing": report.differing,
        "differences": [_of_stream(each) for each in report.differences],
        "states": None if report.states is None else _of_states(report.states),
    }
    if streams:
        form["streams"] = {name: _of_digest(held) for name, held in sorted(report.streams.items())}
    return form


def _of_stream(each: StreamDifference) -> dict[str, Any]:
    return {
        "stream": each.stream,
        "version": each.version,
        "expected": _of_digest(each.expected),
        "found": _of_digest(each.found),
        "fields": each.fields,
    }


def _of_digest(held: StreamDigest) -> dict[str, Any]:
    return {"events": held.events, "digest": held.digest.hex()}


def _of_states(states: States) -> dict[str, Any]:
    return {
        "compared": states.compared,
        "differing": states.differing,
        "incomparable": states.incomparable,
        "differences": states.shown,
    }
