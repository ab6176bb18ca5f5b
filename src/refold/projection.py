"""Projection: which events matter to a read model, and what each of them causes there."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol, TypeAlias, TypeVar, cast, overload
from zlib import crc32

from msgspec import Struct

from refold.columns import SqlValue
from refold.errors import UsageError, shortened
from refold.messages import RawEvent, Recorded, checked_name, spec_of
from refold.tables import Change, Key, Table

E = TypeVar("E")
R = TypeVar("R")
R2 = TypeVar("R2")
H = TypeVar("H", bound=Callable[..., object])

SLOTS = 1_024
"""Into so many slots the keys of a projection fall; a partition is a range of them."""


class Statement(Struct, frozen=True):
    """SQL with named parameters (`:name`), for the database that the read model lives in."""

    text: str
    params: Mapping[str, SqlValue] = {}


class Question(Statement, frozen=True):
    """A statement whose rows the handler wants to see before it goes on."""


def sql(text: str, /, **params: SqlValue) -> Statement:
    """A statement whose parameters are written `:name`."""
    return Statement(text, params)


def ask(text: str, /, **params: SqlValue) -> Question:
    """A statement whose rows come back to the handler that yields it: `rows = yield ...`.

    It runs inside the transaction of the step, after all that was yielded before it. A projection that asks costs a
    conversation with the database for each event; `get=` looks up a whole batch at once.
    """
    return Question(text, params)


class Executable(Protocol):
    """A statement as an object of a toolkit: SQLAlchemy's `insert(...)`, `update(...)`, `select(...)`."""

    @property
    def supports_execution(self) -> bool:
        """Whether it can be run."""
        ...


ForTarget: TypeAlias = Executable | Callable[[Any], object]
"""What the ORM that a read model lives in knows how to do: a statement of its own, or a function of its session."""
Caused: TypeAlias = Statement | Change | ForTarget
"""What a handler may yield: SQL, changes of the rows of a `Table`, and with an ORM what that can do."""
Answer: TypeAlias = Sequence[tuple[SqlValue, ...]]
Asking: TypeAlias = Generator[Caused, Answer, None]
"""What a handler returns that asks."""
Handler: TypeAlias = Callable[[Recorded[E]], Iterable[Caused] | None]
Handler1: TypeAlias = Callable[[Recorded[E], R | None], Iterable[Caused] | None]
Handler2: TypeAlias = Callable[[Recorded[E], R | None, R2 | None], Iterable[Caused] | None]
Get: TypeAlias = Callable[[Recorded[E]], Key[R]]


Together: TypeAlias = Callable[[Any, Sequence[Recorded[Any]], bool], Coroutine[Any, Any, None]]
"""What is done with all events of a step at once, as a flow inside its transaction, whose backend is the first argument.

The last one: whether they come in their turn, and are not mended beside the checkpoint.
"""
Beforehand: TypeAlias = Callable[[Any], Coroutine[Any, Any, None]]
"""What is done before each step, outside of its transaction."""

Call: TypeAlias = Callable[..., Iterable[Caused] | None]
"""Any handler, as it is called: with the event, and the rows that it gets."""


@dataclass(frozen=True, slots=True)
class Handling:
    """A handler, and what is to be looked up for it."""

    call: Call
    gets: tuple[Callable[[Recorded[Any]], Key[Any]], ...] = ()


def _as_it_is(call: Call) -> Call:
    return call


def by_stream(recorded: Recorded[Any]) -> str:
    """The usual key: the events of one stream belong together."""
    return str(recorded.stream)


class Projection:
    """Events to what they cause in a read model, under a name and a version.

    What they cause and the projection's checkpoint are committed together, so each event counts once. `schema` is SQL that
    makes tables, `tables` are those that Refold makes: once, in the transaction of the first step, those of `tables` first,
    so that `schema` may index them. Events of one `key` are applied in order, whatever happens: if one of them cannot be, it
    and those behind it wait. With a `key` of your own, the work can be split among processes, since each then needs to see
    only its keys; then no two keys may cause changes of one row.
    """

    def __init__(
        self,
        name: str,
        *,
        version: int = 1,
        schema: str = "",
        tables: Sequence[Table[Any]] = (),
        key: Callable[[Recorded[Any]], str] = by_stream,
    ) -> None:
        self.name = checked_name("projection name", name)
        if version < 1:
            raise UsageError(f"projection {name!r} has version {version}: the first is 1.")
        if isinstance(cast("object", tables), Table):  # which gives a row for any number, and would never end
            raise UsageError(f"projection {name!r} has one table for a collection of them: write tables=[...].")
        self.version, self.schema, self.tables, self.key = version, schema, tuple(tables), key
        self.together: Together | None = None
        self.beforehand: Beforehand | None = None
        self._handlers: dict[type[Any], Handling] = {}
        self._effects: dict[type[Any], Handling] = {}

    @overload
    def on(self, event: type[E]) -> Callable[[Handler[E]], Handler[E]]: ...
    @overload
    def on(self, event: type[E], *, get: Get[E, R]) -> Callable[[Handler1[E, R]], Handler1[E, R]]: ...
    @overload
    def on(
        self, event: type[E], *, get: tuple[Get[E, R], Get[E, R2]]
    ) -> Callable[[Handler2[E, R, R2]], Handler2[E, R, R2]]: ...
    def on(self, event: type[Any], *, get: Any = ()) -> Any:
        """Handle one class of events; those without a handler are passed over. `RawEvent` takes all that have no class here.

        `get` says which row of a `Table` the handler wants to see: it comes as second argument, or `None` if there is none.
        Rows are looked up once for a whole batch, and show what the events before this one caused. SQL about a table costs a
        look-up for each event after it in the batch.

        Raises:
            UsageError: the class is no event, or has a handler already.
        """
        return self._register(self._handlers, event, get)

    def effect(self, event: type[E]) -> Callable[[Handler[E]], Handler[E]]:
        """Cause something that must happen once for ever, and not again when the read model is built anew: an outbox row.

        Raises:
            UsageError: as `on`.
        """
        register: Callable[[Handler[E]], Handler[E]] = self._register(self._effects, event, ())
        return register

    def _register(self, handlers: dict[type[Any], Handling], event: type[Any], get: Any) -> Callable[[H], H]:
        def register(call: H) -> H:
            if event is not RawEvent:
                spec_of(event)
            if event in handlers:
                raise UsageError(
                    f"projection {self.name!r} handles {event.__name__} already: one handler for one event."
                )
            handlers[event] = Handling(call, get if isinstance(get, tuple) else (get,))  # type: ignore[arg-type] # as the overloads say
            return call

        return register

    @property
    def event_types(self) -> tuple[type[Any], ...]:
        """The classes that have a handler."""
        return tuple(dict.fromkeys([*self._handlers, *self._effects]))

    @property
    def handlers(self) -> Mapping[type[Any], Handling]:
        """What is to be done on events, by their class."""
        return self._handlers

    @property
    def effecting(self) -> Mapping[type[Any], Handling]:
        """What events cause once for ever, by their class."""
        return self._effects

    def remade(self, around: Callable[[Call], Call] = _as_it_is, *, effects: bool = True) -> Projection:
        """The same projection, with something around each handler and effect, or without its effects."""
        same = Projection(self.name, version=self.version, schema=self.schema, tables=self.tables, key=self.key)
        same.together, same.beforehand = self.together, self.beforehand
        for cls, handling in self._handlers.items():
            same._register(same._handlers, cls, handling.gets)(around(handling.call))
        for cls, handling in self._effects.items() if effects else ():
            same._register(same._effects, cls, ())(around(handling.call))
        return same

    @property
    def has_effects(self) -> bool:
        """Whether anything must happen once for ever."""
        return bool(self._effects)

    def slot(self, recorded: Recorded[Any]) -> int:
        """Where its key falls, of `SLOTS`."""
        return slot_of(self.key_of(recorded))

    def key_of(self, recorded: Recorded[Any]) -> str:
        """Its key; where that cannot be told, the name of its stream, as the step that takes it in will say."""
        try:
            return self.checked_key(recorded)
        except Exception:  # noqa: BLE001 - whatever it is, the event is parked somewhere
            return by_stream(recorded)

    def checked_key(self, recorded: Recorded[Any]) -> str:
        """Its key.

        Raises:
            UsageError: it is no text.
            What `key` raises.
        """
        key = cast("object", self.key(recorded))
        if isinstance(key, str):
            return key
        raise UsageError(
            f"key of projection {self.name!r} gave {shortened(key)} for {recorded.type!r} at position {recorded.position}: "
            "let it give text."
        )

    def project(self, recorded: Recorded[Any], *rows: object) -> Iterable[Caused]:
        """What an event causes: nothing, if it has no handler. `rows` are those that the handler `get`s."""
        handling = self._handlers.get(recorded.data.__class__)
        return (None if handling is None else handling.call(recorded, *rows)) or ()

    def __repr__(self) -> str:
        return f"Projection({self.name!r}, version={self.version})"


def checked_projection(subject: object) -> None:
    """Raises `UsageError` if it is no projection."""
    if not isinstance(subject, Projection):
        raise UsageError(f"{shortened(subject)} is no projection: take what Projection(...) gave.")


def slot_of(key: str) -> int:
    """Where a key falls, of `SLOTS`, for ever: a checkpoint stands on it."""
    return crc32(key.encode()) % SLOTS


def neighbours(steps: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Runs of statements with the same text, that can be run as one; anything else stands alone."""
    for text, run in groupby(steps, lambda step: step.text if step.__class__ is Statement else None):
        if text is None:
            yield from ([step] for step in run)
        else:
            yield list(run)
