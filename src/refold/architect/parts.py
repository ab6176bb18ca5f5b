"""What the model of an application is made of: events, commands, the parts that handle them, and what leads to what."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

PartKind: TypeAlias = Literal["fold", "decider", "projection", "publication", "process", "saga", "effect"]
NodeKind: TypeAlias = Literal[
    "event", "command", "fold", "decider", "projection", "publication", "process", "saga", "effect"
]
EdgeKind: TypeAlias = Literal[
    "takes", "emits", "folds", "projects", "reacts", "sends", "calls", "answers", "sets", "falls back"
]


class Place(Struct, frozen=True, order=True):
    """Where something is written; a line of 0 where that is not known. `object` is its dotted name."""

    file: str
    line: int
    object: str


class Node(Struct, frozen=True, order=True):
    """Something in the model, by its kind and its name: an event's wire name, a fold's category."""

    kind: NodeKind
    name: str


class Edge(Struct, frozen=True, order=True):
    """What leads to what.

    A decider `takes` commands and `emits` events, a command `emits` events (through its decider), folds `folds` events,
    projections `projects` them, processes `reacts` to them. A process, or an event through it, `sends` commands and `calls`
    effects; an effect `answers` with events; a process `sets` timeouts, and what it sends `falls back` to an event
    where it is refused. The source is what comes first: event -> projection,
    event -> process, process -> command, command -> decider, decider -> event. `via` is the part through which it leads, if
    it is neither end.
    """

    kind: EdgeKind
    source: Node
    target: Node
    via: str = ""


class Field(Struct, frozen=True):
    """A field of a class, and its type as it is read. `classes`: all that it names; `mutable`: which of them can be changed.

    `personal`: whether it is marked as `Personal`.
    """

    name: str
    type: str
    classes: tuple[str, ...] = ()
    mutable: tuple[str, ...] = ()
    personal: bool = False


class Message(Struct, frozen=True):
    """An event or a command. `categories`: the folds that fold the event, or the deciders that take the command.

    A `timeout` is an event that a process sends to itself. `tags` are the fields that its tags derive from, if names give them.
    """

    kind: Literal["event", "command"]
    name: str
    version: int
    fields: tuple[Field, ...]
    categories: tuple[str, ...]
    place: Place
    public: bool = False
    frozen: bool = True
    timeout: bool = False
    tags: tuple[str, ...] = ()


class Folding(Struct, frozen=True):
    """A fold or decider. `known` is False where some of what it emits cannot be told from its source.

    `state` is the state's class as it is read, `state_class` its dotted name. `saved`: whether its states are saved as snapshots.
    """

    kind: Literal["fold", "decider"]
    category: str
    state: str
    state_class: str
    saved: bool
    folds: tuple[str, ...]
    commands: tuple[str, ...]
    emits: tuple[str, ...]
    known: bool
    place: Place


class Projecting(Struct, frozen=True):
    """A projection or publication. `everything`: it takes events of whatever type, as `RawEvent`."""

    kind: Literal["projection", "publication"]
    name: str
    version: int
    tables: tuple[str, ...]
    events: tuple[str, ...]
    everything: bool
    place: Place


class Sent(Struct, frozen=True, order=True):
    """A command on its way to a decider; either is "" where the source does not tell it."""

    category: str
    command: str


class Stage(Struct, frozen=True):
    """A step of a declared saga."""

    name: str
    can_be_undone: bool
    pivot: bool


class Reacting(Struct, frozen=True):
    """A process or saga. `begins`: the events that begin an instance, empty for any. `known` as for folds."""

    kind: Literal["process", "saga"]
    name: str
    version: int
    events: tuple[str, ...]
    begins: tuple[str, ...]
    sends: tuple[Sent, ...]
    calls: tuple[str, ...]
    timers: tuple[str, ...]
    cancels: tuple[str, ...]
    fallbacks: tuple[str, ...]
    ends: bool
    known: bool
    place: Place
    state: tuple[Field, ...] = ()
    steps: tuple[Stage, ...] = ()


class Effecting(Struct, frozen=True):
    """A handler of effects: what it is asked, and the events that it may answer with."""

    name: str
    requests: tuple[str, ...]
    answers: tuple[str, ...]
    place: Place


class Upcasting(Struct, frozen=True):
    """An upcaster: a version of None is any."""

    type: str
    version: int | None
    into: tuple[tuple[str, int | None], ...]
    place: Place


class Fact(Struct, frozen=True, order=True):
    """Something that code does: what, with what, and where.

    `makes` an event; `sends`, `calls`, `sets`, `cancels`, `falls back` on an event; `ends` the process; `looks outside`
    (what: clock, chance, world or store; detail: the name); `changes` what it was given; `misses` a class of event;
    runs `sql`; or something that `cannot tell`. `when`: the messages for which it does so, empty for all.
    """

    doing: str
    what: str
    detail: str
    when: tuple[str, ...]
    place: Place


class Code(Struct, frozen=True):
    """One function of a part, by its role: `decide`, `evolve`, `react`, `on order.placed`. `known`: whether it has a source.

    `unused`: its parameters that it does not use. `key`: the parameter that takes an idempotency key, if it has one.
    """

    part: Node
    role: str
    known: bool
    facts: tuple[Fact, ...]
    place: Place
    unused: tuple[str, ...] = ()
    key: str = ""
