"""A story as swim lanes: a lane a stream, a card a run of events that one lane had at one hop, and edges of cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct, field

from refold.messages import JOURNALS, Recorded

_COMMAND: Final = "$command"
_CAUSE: Final = "$cause"


class Entry(Struct, frozen=True):
    """An event in its card. `by`: the process that sent its command, empty if nobody did; `after`: since the story began."""

    key: str
    position: int
    stream: str
    category: str
    type: str
    command: str
    by: str
    after: timedelta
    hop: int
    cause: str = ""


class Card(Struct):
    """The events that follow each other in one lane at one hop."""

    lane: int
    hop: int
    entries: list[Entry] = field(default_factory=list[Entry])


class Lane(Struct):
    """A stream, and its cards."""

    stream: str
    category: str
    id: str
    cards: list[Card] = field(default_factory=list[Card])


class Edge(Struct, frozen=True):
    """From an event to one that it led to; `by`: the process in between, empty if there was none."""

    source: str
    target: str
    by: str


class Story(Struct, frozen=True):
    """All of a story, laid out by lanes and hops."""

    lanes: Sequence[Lane]
    edges: Sequence[Edge]
    entries: Sequence[Entry]
    hops: int
    depth: int
    commands: int
    duration: timedelta


class _Noted(Struct, frozen=True):
    """An entry in the journal of a process: a message that it sent, say, because of an event, or of a timer that it set."""

    by: str
    cause: str


def story_of(events: Sequence[Recorded[Any]]) -> Story:
    """The story that these events, by position, tell; those in journals of processes become edges."""
    noted = _noted(events)
    shown = [event for event in events if not event.stream.category.startswith(JOURNALS)]
    entries: dict[str, Entry] = {}
    depths: dict[str, int] = {}
    for event in shown:
        entry = _entry(event, noted, entries, shown[0].recorded_at)
        entries[entry.key] = entry
        depths[entry.key] = depths.get(entry.cause, 0) + 1
    lanes = _lanes(entries.values())
    edges = [Edge(each.cause, each.key, each.by) for each in entries.values() if each.cause]
    return Story(
        lanes, edges, tuple(entries.values()), max((each.hop for each in entries.values()), default=0) + 1,
        max(depths.values(), default=0), len({_command_id(event) for event in shown if _COMMAND in event.metadata.free}),
        _lasted(shown),
    )  # fmt: skip


def _lasted(events: Sequence[Recorded[Any]]) -> timedelta:
    return events[-1].recorded_at - events[0].recorded_at if events else timedelta()


def _command_id(event: Recorded[Any]) -> str:
    return event.metadata.causation_id or str(event.id)


def _noted(events: Iterable[Recorded[Any]]) -> Mapping[str, _Noted]:
    return {
        str(event.id): _Noted(event.stream.category.removeprefix(JOURNALS), event.metadata.causation_id or "")
        for event in events
        if event.stream.category.startswith(JOURNALS)
    }


def _origin(cause: str, noted: Mapping[str, _Noted]) -> tuple[str, str]:
    """The event that led to a cause through the journal of a process, and that process; the cause itself, if none did."""
    by = noted[cause].by if cause in noted else ""
    for _ in noted:  # no longer than there are entries, should they lead in a circle
        if cause not in noted:
            break
        cause = noted[cause].cause
    return cause, by


def _entry(event: Recorded[Any], noted: Mapping[str, _Noted], known: Mapping[str, Entry], began: datetime) -> Entry:
    free = event.metadata.free
    cause, by = _origin(free.get(_CAUSE, "") or event.metadata.causation_id or "", noted)
    source = known.get(cause)
    stream = str(event.stream)
    return Entry(
        key=str(event.id), position=int(event.position), stream=stream, category=event.stream.category, type=event.type,
        command=free.get(_COMMAND, ""), by=by, after=event.recorded_at - began, hop=_hop(source, stream, by),
        cause=cause if source else "",
    )  # fmt: skip


def _hop(source: Entry | None, stream: str, by: str) -> int:
    """One further than its cause, unless the same stream just goes on."""
    if source is None:
        return 0
    return source.hop if source.stream == stream and not by else source.hop + 1


def _lanes(entries: Iterable[Entry]) -> Sequence[Lane]:
    lanes: dict[str, Lane] = {}
    for entry in entries:
        lane = lanes.setdefault(entry.stream, Lane(entry.stream, entry.category, entry.stream.partition("-")[2]))
        card = next((card for card in lane.cards if card.hop == entry.hop), None)
        if card is None:
            card = Card(list(lanes).index(entry.stream), entry.hop)
            lane.cards.append(card)
        card.entries.append(entry)
    return tuple(lanes.values())
