"""Streams: a list of them, and time travel through one: what each event made of the state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from msgspec import Struct

from refold.errors import StoreError
from refold.eventlogs.recorded import record_of
from refold.fold import Fold
from refold.forms import merged
from refold.http.problems import Declined
from refold.messages import OWN, Recorded, StreamName
from refold.patching import changes, comparable
from refold.ports import StreamInfo
from refold.snapshot import Snapshots
from refold.studio.asking import Ask
from refold.studio.pages import Page
from refold.studio.routing import Route
from refold.studio.rows import rows_of
from refold.studio.statelines import MOST, leaves, marked
from refold.studio.timeline import timeline

State: TypeAlias = "Callable[[int], Awaitable[Any]]"
"""The state of a stream at a version, as JSON."""

PAGE: Final = 100
WINDOW: Final = 200
"""Events of a history that are listed around the one that is looked at."""


async def list_streams(ask: Ask) -> Page:
    """Streams by name."""
    prefix, after = ask.param("prefix"), ask.param("after")
    found: list[StreamInfo] = []
    async for info in ask.stored.streams(prefix, after=after):
        if prefix.startswith(OWN) or not info.stream.startswith(OWN):
            found.append(info)
        if len(found) > PAGE:
            break
    if prefix.startswith(OWN):
        ask.access.check("read", [prefix.partition("-")[0]])
    further = found[PAGE - 1].stream if len(found) > PAGE else None
    shown = {"streams": found[:PAGE], "prefix": prefix, "next": further, "parse": StreamName.parse}
    return Page("streams", "Time travel", "streams.html", shown, {"data": found[:PAGE], "next": further})


class Sight(Struct, frozen=True):
    """A stream as it is looked at: at a version, against a base, which is `pinned` if somebody chose it."""

    stream: StreamName
    head: int
    at: int
    base: int
    pinned: bool


async def show_stream(ask: Ask) -> Page:
    """The state of a stream at a version, and what it changed since another one."""
    stream = ask.stream()
    sight = await _sight(ask, stream)
    valid_at = ask.moment("valid_at")
    state = _merging(ask, stream) if stream.category.startswith(OWN) else _folding(ask, stream, valid_at)
    (old, new), problem = await _states(state, sight)
    history = await _history(ask, sight)
    operations = tuple(changes(old, new))
    event = next((each for each in reversed(history) if each.version == sight.at), None)
    known = stream.category in ask.studio.app.folds
    shown = {
        "sight": sight, "lines": marked(old, new, None if ask.param("whole") else MOST), "changes": leaves(operations),
        "history": rows_of(history), "event": event, "record": None if event is None else record_of(event),
        "timeline": timeline(sight.head, sight.at, {each.version: each.type for each in history}),
        "valid_at": ask.param("valid_at"), "is_merged": not known, "problem": problem,
        "first": history[0].version if history else 1,
        "last": history[-1].version if history else 0,
    }  # fmt: skip
    data = {
        "stream": str(stream), "version": sight.head, "at": sight.at, "base": sight.base, "valid_at": valid_at, "state": new,
        "problem": problem, "diff": operations, "history": [record_of(each) for each in history],
    }  # fmt: skip
    crumbs = ((stream.category, ask.url("events", category=stream.category)), (str(stream), ""))
    return Page("streams", str(stream), "stream.html", shown, data, crumbs)


async def _states(state: State, sight: Sight) -> tuple[tuple[Any, Any], str]:
    """Those at the base and at the version, or why they cannot be told: that may be what somebody is looking for."""
    try:
        new = await state(sight.at)
        return (await state(sight.base) if sight.base != sight.at else new, new), ""
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a fold raises
        where = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
        return (None, None), f"{type(error).__name__}: {error}{where}"


async def _sight(ask: Ask, stream: StreamName) -> Sight:
    head = 0
    async for event in ask.stored.read(stream, direction="backward", limit=1):
        head = event.version
    if not head:
        raise Declined(404, "no-such-stream", f"there is no stream {str(stream)!r}.")
    at, base = ask.number("at"), ask.number("base")
    at = head if at is None else at
    for version in (at, base or 0):
        if version > head:
            raise Declined(
                404, "no-such-version", f"stream {str(stream)!r} is at version {head}, and has no {version} yet."
            )
    return Sight(stream, head, at, max(0, at - 1) if base is None else base, base is not None)


def fold_of(ask: Ask, stream: StreamName) -> Fold[Any, Any]:
    """The fold of the application, or one that merges the data, if it has none of this category."""
    return ask.studio.classes.fold(stream.category)


def _folding(ask: Ask, stream: StreamName, valid_at: datetime | None) -> State:
    """By the fold of the application, or by merging the data, if it has none of this category."""
    fold = fold_of(ask, stream)
    policy = ask.studio.app.snapshots.get(fold)
    states = ask.store.bind(fold, snapshots=None if policy is None else Snapshots(version=policy.version))

    async def state(version: int) -> Any:  # noqa: ANN401 - JSON
        return comparable(await states.state(stream.id, as_of=version, valid_at=valid_at))

    return state


def _merging(ask: Ask, stream: StreamName) -> State:
    """By merging the data: a stream of Refold's own has no fold."""

    async def state(version: int) -> Any:  # noqa: ANN401 - JSON
        found: object = {}
        async for event in ask.stored.read(stream, limit=version):
            found = merged(found, record_of(event).data)
        return comparable(found)

    return state


async def _history(ask: Ask, sight: Sight) -> Sequence[Recorded[Any]]:
    """The events around the version that is looked at."""
    after = max(0, min(sight.at - WINDOW // 2, sight.head - WINDOW))
    return [event async for event in ask.stored.read(sight.stream, after=after, limit=WINDOW)]


ROUTES: Final = (Route("GET", "/streams", list_streams), Route("GET", "/streams/{stream}", show_stream))
