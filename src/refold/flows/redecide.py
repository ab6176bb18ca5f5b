"""Redecide: every kept command decided again, on the state that it met, beside the events that it led to. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from refold.commands import KEPT, Commands
from refold.flows.history import Walk
from refold.flows.load import AsOf, Loaded, version_at
from refold.flows.prepare import Runtime, checked_stream
from refold.fold import Decider, decided
from refold.messages import Position, RawEvent, Recorded, StreamName, parsed, spec_of
from refold.patching import Operation, difference
from refold.ports import Backend
from refold.rows import Row

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")

Verdict: TypeAlias = Literal["same", "other events", "fails"]


class Redecision(Struct, Generic[C, E], frozen=True):
    """A kept command, the events that it led to, and what comes of it now.

    `version` is that of the first of the events. `command` is None where what was kept cannot be read any more; `error` is why
    then, or else what `decide` raised, the fold did on what it yielded, or the store would on appending that.
    """

    stream: StreamName
    version: int
    name: str
    command: C | None
    happened: tuple[Recorded[E], ...]
    decided: tuple[E, ...]
    error: Exception | None = None

    @property
    def verdict(self) -> Verdict:
        """What came of it."""
        if self.error is not None:
            return "fails"
        return "same" if self.decided == tuple(event.data for event in self.happened) else "other events"

    @property
    def differs(self) -> bool:
        """Whether it is not the same."""
        return self.verdict != "same"

    @property
    def diff(self) -> tuple[Operation, ...]:
        """What makes the events that are decided now of those that happened: arrays of objects with `type` and `data`.

        Raises:
            UsageError: an event holds what JSON has no form for.
        """
        return difference(_told(event.data for event in self.happened), _told(self.decided))


def _told(events: Iterable[object]) -> Sequence[object]:
    return [
        {"type": event.type, "data": dict(event.data)}
        if isinstance(event, RawEvent)
        else {"type": spec_of(event.__class__).name, "data": event}
        for event in events
    ]


class _Asked(Struct, Generic[S]):
    """A kept command, and what is known of it so far."""

    key: str
    stream: str
    version: int
    name: str
    text: str
    state: S
    happened: list[Recorded[Any]]


class Redeciding(Generic[C, S, E]):
    """How far somebody has come along the kept commands of one stream; `until`: the last version at which one may begin."""

    def __init__(self, decider: Decider[C, S, E], runtime: Runtime, stream: str, until: int | None) -> None:
        self._decider, self._runtime, self._until = decider, runtime, until
        decoders = runtime.codec.decoders(decider.event_types)
        self._walk = Walk(decider, decoders, stream, Loaded(decider.initial(), 0, Position(0)))
        self._open: _Asked[S] | None = None
        self._is_over = False

    async def page(self, backend: Backend) -> Sequence[Row]:
        """The next events, to be handed to `taken`; none at the end."""
        return () if self._is_over else await self._walk.page(backend)

    def taken(self, rows: Sequence[Row]) -> Iterator[Redecision[C, E]]:
        """The commands all of whose events have been seen by now; without rows, the last one.

        Raises:
            UsageError: a command was kept, and `decide` is not annotated with classes of commands.
            UnknownEventType, UndecodableEvent: the decider cannot read an event.
        """
        for row in rows:
            free = _free(row)
            key = (row.causation_id or row.id.hex()) if KEPT in free else None
            if self._open is not None and self._open.key != key:
                yield self._closed(self._open)
            if self._until is not None and row.version > self._until and self._open is None:
                self._is_over = True
                return
            if key is not None and self._open is None:
                text, name = free[KEPT], free.get("$command", "")
                self._open = _Asked(key, row.stream, row.version, name, text, self._walk.state, [])
            self._fold(row)
        if not rows and self._open is not None:
            yield self._closed(self._open)

    def _fold(self, row: Row) -> None:
        try:
            events = [step.event for step in self._walk.steps(row)]
        except Exception as error:
            error.add_note(f"This was at version {row.version} of stream {row.stream!r}.")
            raise
        if self._open is not None:
            self._open.happened += events

    def _closed(self, asked: _Asked[S]) -> Redecision[C, E]:
        self._open = None
        command: Any = None
        decided: tuple[E, ...] = ()
        failed: Exception | None = None
        commands = self._commands
        try:
            command = commands.read(asked.name, asked.text)
            decided = self._decided(command, asked.state)
        except Exception as error:  # noqa: BLE001 - whatever the user's code raises is what comes of it now
            failed = error
        happened = tuple(asked.happened)
        return Redecision(parsed(asked.stream), asked.version, asked.name, command, happened, decided, failed)

    def _decided(self, command: C, state: S) -> tuple[E, ...]:
        """What would be appended: as `transact` does it, up to the append."""
        events = decided(self._decider.decide(command, state))
        self._decider(events, state)
        for event in events:
            if not isinstance(event, RawEvent):
                self._runtime.codec.form(event.__class__).written(event)
        return events

    @cached_property
    def _commands(self) -> Commands:
        return Commands(self._decider)


def _free(row: Row) -> dict[str, str]:
    return {} if row.metadata == b"{}" else _FREE(row.metadata)


_FREE: Final = msgspec.json.Decoder(dict[str, str]).decode


async def redeciding(
    backend: Backend, runtime: Runtime, decider: Decider[C, S, E], id: str, as_of: AsOf | None
) -> Redeciding[C, S, E]:
    """The kept commands of a stream, as far as it was known `as_of` then that they led to events.

    Raises:
        NoSuchVersion: the stream has not reached the version.
    """
    stream = checked_stream(decider.stream(id))
    return Redeciding(decider, runtime, stream, None if as_of is None else await version_at(backend, stream, as_of))
