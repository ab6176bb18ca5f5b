"""given / when / then for projections: what a handler yields, without a database; the rows that come of it, with one."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar, cast

from msgspec import structs

from refold.codec import as_json
from refold.columns import SqlValue
from refold.errors import UsageError
from refold.flows.projections.live import Tables
from refold.flows.projections.statements import everything
from refold.messages import RawEvent, Recorded, StreamName, spec_of
from refold.projection import Answer, Asking, Call, Caused, Handling, Projection, Question
from refold.tables import Delete, Patch, Put, Table
from refold.testing.history import START, STREAM, Growing, placed, with_place
from refold.testing.outcomes import Outcome, compare, outcome_of

R = TypeVar("R")


@dataclass(frozen=True)
class ProjectionCase:
    """What has happened, and what may be asked of the read model after it."""

    projection: Projection
    history: tuple[object, ...]
    answers: tuple[Answer, ...] = ()

    def answering(self, *answers: Answer) -> ProjectionCase:
        """The same, where the handler's questions get these rows: one answer for each `ask(...)`."""
        return replace(self, answers=answers)

    def when(self, event: object, *, stream: StreamName | str = STREAM, at: datetime = START) -> Outcome[Caused]:
        """What the handler of the event yields, its questions too, and then what its effect does.

        `get=` finds the rows that the history's changes of tables made; its SQL is passed over. An event of `in_stream(...)`
        and a `Recorded` one bring their own stream and time.
        """
        *before, recorded = placed((*self.history, with_place(event, stream, at)))
        tables = self._tables(before)
        return outcome_of(lambda: self._caused(as_seen(self.projection, recorded), tables))

    def _tables(self, history: Iterable[Recorded[Any]]) -> Tables:
        tables = Tables(self.projection.remade(_changes_only))
        if any(handling.gets for handling in handlings(self.projection)):
            for recorded in history:
                tables.take(as_seen(self.projection, recorded))
        return tables

    def _caused(self, recorded: Recorded[Any], tables: Tables) -> Iterator[Caused]:
        cls, answers = recorded.data.__class__, iter(self.answers)
        for handling in (self.projection.handlers.get(cls), self.projection.effecting.get(cls)):
            if handling is not None:
                rows = [tables.find(get(recorded)) for get in handling.gets]
                yield from answered(handling.call(recorded, *rows), answers)

    def then_rows(self, text: str, *rows: tuple[SqlValue, ...]) -> None:
        """A query gives exactly these rows, in this order, of a scratch database (SQLite in memory) that has seen the history."""
        with Growing(placed(self.history)) as scratch:
            scratch.grow()
            scratch.store.catch_up(self.projection)
            compare(rows, tuple(scratch.store.query(text)))

    def then_table(self, table: Table[R], *rows: R) -> None:
        """A table holds exactly these rows, in whatever order, after the history: in a scratch database, as in `then_rows`."""
        with Growing(placed(self.history)) as scratch:
            scratch.grow()
            scratch.store.catch_up(self.projection)
            found = [table.read(values) for values in scratch.store.query(everything(table, "").text)]
        expected, actual = _by_key(table, rows), _by_key(table, found)
        compare(expected, actual)


def _by_key(table: Table[R], rows: Iterable[R]) -> tuple[R, ...]:
    return tuple(sorted(rows, key=lambda row: repr(table.place_of(row))))


class ProjectionSpec:
    """`given(...)` for a projection."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection

    def __call__(self, *history: object) -> ProjectionCase:
        """After this history: events, those of `in_stream(...)`, or `Recorded` ones."""
        return ProjectionCase(self._projection, history)


def answered(caused: Iterable[Caused] | None, answers: Iterator[Answer]) -> Iterator[Caused]:
    """What a handler yields, its questions answered one after another.

    Raises:
        UsageError: there is no answer left.
    """
    asking = talking(caused or ())
    answer: Any = None
    while True:
        try:
            one = asking.send(answer)
        except StopIteration:
            return
        yield one
        answer = _answer(one, answers) if isinstance(one, Question) else None


def talking(caused: Iterable[Caused]) -> Asking:
    """A handler that may ask; one that is no generator takes no answers."""
    return cast("Asking", caused if isinstance(caused, Generator) else (one for one in caused))


def _answer(question: Question, answers: Iterator[Answer]) -> Answer:
    for answer in answers:
        return answer
    raise UsageError(
        f"the handler asks {question.text!r}: say what it is told, with .answering([...]) before .when(...)."
    )


def as_seen(projection: Projection, recorded: Recorded[Any]) -> Recorded[Any]:
    """An event as the projection is given it: raw, if only its handler of raw events takes it."""
    data, types = recorded.data, projection.event_types
    if data.__class__ in types or RawEvent not in types:
        return recorded
    spec = spec_of(data.__class__)
    return structs.replace(recorded, data=RawEvent(spec.name, as_json(data), spec.version))


def handlings(projection: Projection) -> Iterator[Handling]:
    """Every handler, and every effect."""
    for cls in projection.event_types:
        yield from (
            found for found in (projection.handlers.get(cls), projection.effecting.get(cls)) if found is not None
        )


def _changes_only(call: Call) -> Call:
    def changes(recorded: Recorded[Any], *rows: object) -> Iterator[Caused]:
        for one in call(recorded, *rows) or ():
            if isinstance(one, Question):
                raise UsageError(
                    f"on {recorded.type!r} the history's handler asks {one.text!r}, which only a database knows: "
                    "look at the outcome with .then_rows(...) or .then_table(...)."
                )
            if isinstance(one, Put | Patch | Delete):
                yield one

    return changes
