"""What if: the state of a stream if some events were left out, or one were otherwise, beside what it is. Nothing is written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from refold.codec import as_json
from refold.errors import StoreError
from refold.flows.whatif import Divergence, WhatIf
from refold.http.problems import Declined
from refold.http.shapes import EventIn
from refold.messages import OWN, RawEvent, Recorded, StreamName, spec_of
from refold.patching import changes, comparable
from refold.studio.asking import Ask
from refold.studio.pages import Page
from refold.studio.routing import Route
from refold.studio.rows import rows_of
from refold.studio.statelines import leaves, marked
from refold.studio.streams import fold_of

MOST: Final = 300
"""Events of a history of which boxes are shown; any version can be named in the URL."""
STEPS: Final = 50


class Step(Struct, frozen=True):
    """A version at which it would have been otherwise: what happened, what is folded in its place, what that changes."""

    version: int
    happened: Sequence[str]
    instead: Sequence[str]
    edited: bool
    changed: int


class Edited(Struct, frozen=True):
    """What is to be otherwise: versions that are dropped, and one whose data are replaced by a text of JSON."""

    drop: Sequence[int]
    replace: int | None
    data: str

    @property
    def is_any(self) -> bool:
        """Whether anything is."""
        return bool(self.drop) or self.replace is not None


async def show(ask: Ask) -> Page:
    """The state as it would be, marked by how it differs from what it is."""
    stream, edited = ask.stream(), _edited(ask)
    if stream.category.startswith(OWN):
        raise Declined(404, "no-such-page", "streams of Refold's own are not folded.")
    history = [event async for event in ask.stored.read(stream, limit=MOST)]
    if not history:
        raise Declined(404, "no-such-stream", f"there is no stream {str(stream)!r}.")
    found, problem = await _found(ask, stream, edited) if edited.is_any else (None, "")
    actual, would = (None, None) if found is None else (comparable(found.actual), comparable(found.hypothetical))
    operations = tuple(changes(actual, would))
    steps = [] if found is None else [_step(each) for each in found.steps]
    shown = {
        "stream": str(stream), "history": rows_of(history), "edited": edited, "problem": problem, "steps": steps,
        "lines": None if found is None else marked(actual, would), "changes": leaves(operations), "most": MOST,
        "differing": 0 if found is None else found.differing,
    }  # fmt: skip
    data = {
        "stream": str(stream), "drop": edited.drop, "replace": edited.replace, "actual": actual, "hypothetical": would,
        "diff": operations, "steps": steps, "problem": problem,
    }  # fmt: skip
    crumbs = ((str(stream), ask.url("streams", str(stream))), ("what if", ""))
    return Page("streams", f"What if {stream}", "whatif.html", shown, data, crumbs)


def _edited(ask: Ask) -> Edited:
    drop = [_version(text) for text in ask.request.query_params.getlist("drop")]
    return Edited(sorted(set(drop)), ask.number("replace"), ask.param("data"))


def _version(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):  # noqa: PLR2004 - below 2**62
        raise Declined(400, "bad-parameter", f"drop={text[:60]!r} is no version.")
    return int(text)


async def _found(ask: Ask, stream: StreamName, edited: Edited) -> tuple[WhatIf[Any, Any] | None, str]:
    """What came of it, or why nothing did: the fold may not bear such a history."""
    try:
        replace = await _replaced(ask, stream, edited.replace, edited.data)
        states = ask.store.bind(fold_of(ask, stream))
        return await states.whatif(stream.id, drop=edited.drop, replace=replace, limit=STEPS), ""
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a fold raises
        notes = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
        return None, f"{type(error).__name__}: {error}{notes}"


async def _replaced(ask: Ask, stream: StreamName, version: int | None, text: str) -> Mapping[int, object]:
    """An event of the type that stands there, with other data; nothing, if none is to be replaced."""
    if version is None:
        return {}
    there: Recorded[Any] | None = None
    async for event in ask.stored.read(stream, after=version - 1, limit=1):
        there = event
    if there is None or there.version != version:
        raise Declined(404, "no-such-version", f"there is no version {version} to replace.")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Declined(422, "bad-field", f"the data are not JSON: {error}.") from error
    if not isinstance(data, dict):
        raise Declined(422, "bad-field", "the data are no JSON object.")
    cls = ask.studio.classes.events.get(there.type)
    known = 1 if cls is None else spec_of(cls).version
    given = EventIn(type=there.type, data=data, schema_version=known)  # pyright: ignore[reportUnknownArgumentType] - JSON
    return {version: ask.studio.classes.event(given, stream.category)}


def _step(step: Divergence[Any, Any]) -> Step:
    changed = sum(1 for _ in changes(comparable(step.actual), comparable(step.hypothetical)))
    return Step(
        step.version,
        [each.type for each in step.happened],
        [_told(each) for each in step.instead],
        step.is_edited,
        changed,
    )


def _told(event: object) -> str:
    if isinstance(event, RawEvent):
        return f"{event.type} {json.dumps(dict(event.data))}"
    return f"{spec_of(event.__class__).name} {json.dumps(as_json(event))}"


ROUTES: Final = (Route("GET", "/streams/{stream}/whatif", show),)
