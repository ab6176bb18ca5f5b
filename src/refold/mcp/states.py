"""States: of a stream as of then, what changed between two, and what would be if its history were otherwise."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Final

from msgspec import Meta, Struct, field, structs

from refold.codec import as_json
from refold.errors import RefoldError
from refold.flows.whatif import Divergence
from refold.fold import Fold
from refold.http.problems import Declined
from refold.http.reading import as_of
from refold.http.shapes import EventIn, Moment, Name, Place
from refold.mcp.desk import Desk
from refold.mcp.events import Stream
from refold.mcp.tools import Tool
from refold.messages import RawEvent, StreamName, spec_of
from refold.patching import comparable, difference

STEPS: Final = 20
"""Steps of a hypothetical history that are told."""

At = Annotated[
    str, Meta(min_length=1, max_length=60, description="A version such as 3, a position such as #17, or a time in ISO 8601.")
]  # fmt: skip


class State(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`at`: by what the store knew then; `valid_at`: of how the world was then. Without either, now."""

    stream: Stream
    at: At | None = None
    valid_at: Moment | None = None


class Diff(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From `old` to `new`."""

    stream: Stream
    old: At
    new: At


class EventTold(Struct, frozen=True, forbid_unknown_fields=True):
    """An event as it is to be."""

    type: Name
    data: dict[str, Any]
    schema_version: Annotated[int, Meta(ge=1, le=1_000_000)] = 1


class Edit(Struct, frozen=True, forbid_unknown_fields=True):
    """An event, and the version in whose place it stands, or that it follows."""

    version: Place
    event: EventTold


class WhatIf(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be otherwise: versions to `drop`, events to `replace`, and those to `insert` after a version, in order."""

    stream: Stream
    drop: Annotated[list[Place], Meta(max_length=1_000)] = field(default_factory=list[Place])
    replace: Annotated[list[Edit], Meta(max_length=1_000)] = field(default_factory=list[Edit])
    insert: Annotated[list[Edit], Meta(max_length=1_000)] = field(default_factory=list[Edit])


async def state_at(desk: Desk, asked: State) -> object:
    """The state."""
    valid_at: datetime | None = asked.valid_at
    return await desk.told("streams", asked.stream, "state", at=asked.at, valid_at=valid_at and valid_at.isoformat())


async def diff_states(desk: Desk, asked: Diff) -> object:
    """What changed, as a JSON Patch with the old values."""
    name, fold = await _folded(desk, asked.stream)
    async with _as_problem():
        states = desk.store.bind(fold)
        old, new = [await states.load(name.id, as_of=as_of(text)) for text in (asked.old, asked.new)]
        changed = difference(old.state, new.state)
    return {"stream": asked.stream, "old": old.version, "new": new.version, "diff": changed}


async def whatif(desk: Desk, asked: WhatIf) -> object:
    """What would be, beside what is."""
    name, fold = await _folded(desk, asked.stream)
    replace, insert = _replaced(desk, name, asked.replace), _inserted(desk, name, asked.insert)
    async with _as_problem():
        found = await desk.store.bind(fold).whatif(
            name.id, drop=asked.drop, replace=replace, insert=insert, limit=STEPS
        )
        actual, would = comparable(found.actual), comparable(found.hypothetical)
        steps = [_step(step) for step in found.steps]
    return {
        "stream": asked.stream, "version": found.version, "actual": actual, "hypothetical": would, "diff": found.diff,
        "differing": found.differing, "steps": steps,
    }  # fmt: skip


async def _folded(desk: Desk, stream: str) -> tuple[StreamName, Fold[Any, Any]]:
    """A stream that is there and may be read, and what folds it: the data of its events are merged, if nothing does."""
    await desk.told("streams", stream, limit=1)
    name = StreamName.parse(stream)
    return name, desk.classes.fold(name.category)


def _replaced(desk: Desk, stream: StreamName, edits: list[Edit]) -> dict[int, object]:
    found: dict[int, object] = {}
    for each in edits:
        if each.version in found:
            raise Declined(422, "bad-field", f"version {each.version} is replaced twice: say one of them.")
        found[each.version] = _event(desk, stream, each)
    return found


def _inserted(desk: Desk, stream: StreamName, edits: list[Edit]) -> dict[int, list[object]]:
    found: dict[int, list[object]] = {}
    for each in edits:
        found.setdefault(each.version, []).append(_event(desk, stream, each))
    return found


def _event(desk: Desk, stream: StreamName, edit: Edit) -> object:
    return desk.classes.event(EventIn(**structs.asdict(edit.event)), stream.category)


@asynccontextmanager
async def _as_problem() -> AsyncGenerator[None]:
    """What a fold raises on a history is what came of the question."""
    try:
        yield
    except RefoldError:
        raise
    except Exception as error:
        notes = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
        raise Declined(422, "fold-failed", f"the fold raises {type(error).__name__}: {error}{notes}") from error


def _step(step: Divergence[Any, Any]) -> dict[str, Any]:
    happened, instead = [each.type for each in step.happened], [_told(each) for each in step.instead]
    return {"version": step.version, "happened": happened, "instead": instead, "diff": step.diff}


def _told(event: object) -> EventTold:
    if isinstance(event, RawEvent):
        return EventTold(event.type, dict(event.data), event.version)
    spec = spec_of(event.__class__)
    return EventTold(spec.name, as_json(event), spec.version)


TOOLS: Final = (
    Tool("state_at", "The state of a stream, now or as of a version, a position or a time.", State, state_at),
    Tool("diff_states", "What changed in the state of a stream from one version or time to another.", Diff, diff_states),
    Tool(
        "whatif", "The state of a stream if its history were otherwise, beside what it is. Nothing is written.", WhatIf, whatif
    ),
)  # fmt: skip
