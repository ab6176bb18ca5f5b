"""Board: the event model as slices in their order: a command and its events, a read model, what a process makes of an event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from msgspec import Struct

from refold.architect.parts import Edge, EdgeKind, Message

if TYPE_CHECKING:
    from refold.architect.model import Model

CardKind: TypeAlias = Literal["process", "command", "effect", "view", "event", "timeout"]
SliceKind: TypeAlias = Literal["state change", "state view", "automation", "effect", "timeout", "fallback", "recorded"]
MIDDLE: Final = "commands & views"
"""The lane that commands, effects and read models stand in."""


class Card(Struct, frozen=True):
    """A card: what it is, its wire name, what else is told of it, and the lane that it stands in."""

    kind: CardKind
    name: str
    note: str
    lane: str

    @property
    def place(self) -> tuple[Lanes, str]:
        """Its lane: a process and a category may have one name."""
        if self.kind == "process":
            return "process", self.lane
        return ("stream" if self.kind in {"event", "timeout"} else "middle"), self.lane


Lanes: TypeAlias = Literal["process", "middle", "stream"]


class Slice(Struct, frozen=True):
    """A column. `by`: the process that acts; `middle`: what it is about; `events`: what comes of it.

    `fed`: the events that feed it. What is fed is the process, or else the read model. A slice that only tells of events has no
    card in the middle.
    """

    kind: SliceKind
    title: str
    by: Card | None = None
    middle: Card | None = None
    events: tuple[Card, ...] = ()
    fed: tuple[str, ...] = ()


class Board(Struct, frozen=True):
    """The slices from left to right, and the lanes from top to bottom: processes, the middle, then events."""

    slices: tuple[Slice, ...]
    processes: tuple[str, ...]
    streams: tuple[str, ...]


def board_of(model: Model) -> Board:
    """The event model of an application."""
    told = _Told(model)
    acts = [*told.commands(), *told.effects(), *told.own_events(), *told.recorded()]
    slices = _with_views(_in_order(acts), told.views())
    processes = dict.fromkeys(each.by.lane for each in slices if each.by)
    streams = dict.fromkeys(card.lane for each in slices for card in each.events)
    known = [each.category for each in model.folds]
    ordered = sorted(streams, key=lambda lane: known.index(lane) if lane in known else len(known))
    return Board(tuple(slices), tuple(processes), tuple(ordered))


_OWN: Final[Sequence[tuple[SliceKind, EdgeKind, str]]] = (
    ("timeout", "sets", "timeouts"),
    ("fallback", "falls back", "fallbacks"),
)


class _Told:
    """What the edges of a model tell, by what leads to what."""

    def __init__(self, model: Model) -> None:
        self._model, self._edges = model, model.edges
        self._events: Mapping[str, Message] = {each.name: each for each in model.events}
        self._seen: set[str] = set()

    def commands(self) -> Iterable[Slice]:
        """One for each command, and each process that sends it."""
        for message in self._model.commands:
            card = Card("command", message.name, _fields(message), MIDDLE)
            events = self._cards(self._to("emits", "command", message.name))
            senders = self._senders("sends", message.name)
            if not senders:
                yield Slice("state change", message.name, None, card, events)
            for process, fed in senders.items():
                yield Slice("automation", message.name, _by(process, fed), card, events, tuple(fed))

    def effects(self) -> Iterable[Slice]:
        """One for each call of the world outside."""
        for effect in self._model.effects:
            answers = self._to("answers", "effect", effect.name)
            for process, fed in self._senders("calls", effect.name).items():
                card = Card("effect", effect.name, "asks the world outside", MIDDLE)
                events = self._cards(answers, f"{process}: answers")
                yield Slice("effect", effect.name, _by(process, fed), card, events, tuple(fed))

    def own_events(self) -> Iterable[Slice]:
        """One for each event that a process sends to itself: when it is time, or when what it sent was refused."""
        for message, (kind, edges, lane) in product(self._model.events, _OWN):
            for process, fed in self._senders(edges, message.name).items():
                events = self._cards([message.name], f"{process}: {lane}", "timeout")
                yield Slice(kind, message.name, _by(process, fed), None, events, tuple(fed))

    def recorded(self) -> Iterable[Slice]:
        """Events of which nothing tells what leads to them, by category."""
        found: dict[str, list[str]] = {}
        for name, message in self._events.items():
            if name not in self._seen:
                found.setdefault(message.categories[0] if message.categories else "events", []).append(name)
        for category, names in found.items():
            yield Slice("recorded", category, None, None, self._cards(names))

    def views(self) -> Iterable[Slice]:
        """One for each read model, and each publication."""
        for each in self._model.projections:
            fed = tuple(
                edge.source.name for edge in self._edges if edge.kind == "projects" and edge.target.name == each.name
            )
            note = "every event" if each.everything else ", ".join(each.tables) or each.kind
            yield Slice(
                "state view", each.name, None, Card("view", each.name, note, MIDDLE), (), tuple(dict.fromkeys(fed))
            )

    def _to(self, kind: str, source: str, name: str) -> Sequence[str]:
        wanted = (kind, source, name)
        found = (each.target.name for each in self._edges if (each.kind, each.source.kind, each.source.name) == wanted)
        return tuple(dict.fromkeys(found))

    def _senders(self, kind: str, target: str) -> Mapping[str, Sequence[str]]:
        """The processes that do this, and for each the events that make it."""
        found: dict[str, list[str]] = {}
        for each in self._edges:
            if each.kind == kind and each.target.name == target:
                process, event = _sender(each)
                fed = found.setdefault(process, [])
                fed += [event] if event and event not in fed else []
        return found

    def _cards(self, names: Iterable[str], lane: str = "", kind: CardKind = "event") -> tuple[Card, ...]:
        cards: list[Card] = []
        for name in names:
            message = self._events.get(name)
            home = message.categories[0] if message is not None and message.categories else "events"
            self._seen.add(name)
            cards.append(Card(kind, name, "" if message is None else _fields(message), lane or home))
        return tuple(cards)


def _sender(edge: Edge) -> tuple[str, str]:
    """The process that does it, and the event that makes it, if that is told."""
    return (edge.via, edge.source.name) if edge.source.kind == "event" else (edge.source.name, "")


def _by(process: str, fed: Sequence[str]) -> Card:
    return Card("process", f"when {fed[0]}" if fed else process, f"or {', '.join(fed[1:])}" if fed[1:] else "", process)


def _fields(message: Message) -> str:
    version = f"v{message.version} · " if message.version > 1 else ""
    return version + ", ".join(field.name for field in message.fields)


def _in_order(slices: Sequence[Slice]) -> Sequence[Slice]:
    """What needs nothing first, then what that leads to; as the application names them, where this does not tell."""
    depths: dict[str, int] = {}
    left, ordered, depth = list(slices), list[Slice](), 0
    while left:
        ready = [each for each in left if not each.fed or any(depths.get(name, depth) < depth for name in each.fed)]
        for each in (
            ready or left[:1]
        ):  # where they feed each other, and nothing else feeds them, the first is as good as any
            left.remove(each)
            ordered.append(each)
            for card in each.events:
                depths.setdefault(card.name, depth)
        depth += 1
    return ordered


def _with_views(slices: Sequence[Slice], views: Iterable[Slice]) -> Sequence[Slice]:
    """Each read model stands right of all that feeds it."""
    placed: dict[int, list[Slice]] = {}
    for view in views:
        feeding = [at for at, each in enumerate(slices) if {card.name for card in each.events} & set(view.fed)]
        placed.setdefault(max(feeding, default=len(slices) - 1), []).append(view)
    found = list(placed.get(-1, ()))
    for at, each in enumerate(slices):
        found += [each, *placed.get(at, ())]
    return found
