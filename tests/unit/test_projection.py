"""Projections as values: which classes they handle, what they look up, and what a copy of one keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest
from msgspec import Struct

from refold import InvalidName, Projection, RawEvent, Recorded, StreamName, UsageError, ask, sql
from refold.messages import Metadata, Position
from refold.projection import Call, Caused, Handling, Question, Statement, checked_projection, neighbours, slot_of
from refold.tables import Table
from refold.testing.contract.sample import Deposited, Withdrawn


class Line(Struct, frozen=True):
    no: int


LINES = Table("lines", Line, key="no")
SOLD, TAKEN = sql("insert into sold values (:n)", n=1), sql("insert into sold values (:n)", n=2)


def recorded(data: object) -> Recorded[Any]:
    at, id = datetime(2026, 11, 30, tzinfo=UTC), UUID(int=1)
    return Recorded(data, "n", 1, StreamName("account", "7"), 1, Position(1), at, id, frozenset(), Metadata("story"))


def filled() -> Projection:
    projection = Projection(
        "sales", version=2, schema="create table sold (n int)", tables=[LINES], key=lambda event: event.type
    )

    @projection.on(Deposited, get=lambda event: LINES[event.data.amount])
    def deposited(event: Recorded[Deposited], line: Line | None = None) -> Iterator[Caused]:
        yield sql("insert into sold values (:n)", n=event.data.amount)

    @projection.on(Withdrawn)
    def withdrawn(event: Recorded[Withdrawn]) -> None: ...

    @projection.effect(RawEvent)
    def told(event: Recorded[RawEvent]) -> Iterator[Caused]:
        yield TAKEN

    return projection


def test_a_statement_is_a_text_with_parameters_and_a_question_is_one_that_is_answered() -> None:
    assert sql("select :n", n=1) == Statement("select :n", {"n": 1})
    assert ask("select :n", n=1) == Question("select :n", {"n": 1})


def test_an_event_causes_what_its_handler_yields_and_nothing_without_one() -> None:
    projection = filled()
    caused = [list(projection.project(recorded(event))) for event in (Deposited(1), Withdrawn(1), RawEvent("n", {}))]
    assert caused == [[SOLD], [], []]
    assert projection.event_types == (Deposited, Withdrawn, RawEvent)
    assert (list(projection.handlers), list(projection.effecting)) == ([Deposited, Withdrawn], [RawEvent])
    assert (projection.has_effects, Projection("sales").has_effects) == (True, False)


@pytest.mark.parametrize("several", [False, True])
def test_a_handler_is_given_the_rows_that_it_looks_up(*, several: bool) -> None:
    projection, get = Projection("sales"), lambda event: event.data.amount
    looked_up: Any = (get, get) if several else get
    rows: Callable[..., Any] = lambda event, *rows: [rows]  # noqa: E731 - what it is called with is all it gives
    register: Any = projection.on(Deposited, get=looked_up)
    register(rows)
    assert projection.handlers == {Deposited: Handling(rows, (get, get) if several else (get,))}
    caused: list[Any] = [*projection.project(recorded(Deposited(1)), 1, 2)]
    assert caused == [(1, 2)]


def test_a_projection_made_again_keeps_all_but_what_is_put_around_its_handlers() -> None:
    def twice(call: Call) -> Call:
        return lambda *given: [*(call(*given) or ()), *(call(*given) or ())]

    projection, event = filled(), recorded(Deposited(1))
    together: Any = lambda *_: None  # noqa: E731 - it is only kept
    projection.together = together
    same, doubled, quiet = projection.remade(), projection.remade(twice), projection.remade(effects=False)
    for other in (same, doubled, quiet):
        kept: tuple[Any, ...] = (other.name, other.version, other.schema, other.tables, other.key, other.together)
        assert kept == ("sales", 2, "create table sold (n int)", (LINES,), projection.key, together)
    assert same.handlers == projection.handlers
    assert [get(event) for get in doubled.handlers[Deposited].gets] == [LINES[1]]
    assert (list(same.project(event)), list(doubled.project(event))) == ([SOLD], [SOLD, SOLD])
    assert [*(doubled.effecting[RawEvent].call(event) or ())] == [TAKEN, TAKEN]
    assert (same.effecting, quiet.effecting, quiet.event_types) == (projection.effecting, {}, (Deposited, Withdrawn))


def test_a_key_falls_where_it_falls_for_ever() -> None:
    assert [slot_of(key) for key in ("", "account-7", "größe")] == [0, 261, 393]
    assert filled().slot(recorded(Deposited(1))) == slot_of("n")
    assert Projection("sales").slot(recorded(Deposited(1))) == slot_of("account-7")


def test_a_key_is_text_and_until_that_is_told_the_stream_stands_for_it() -> None:
    keyed: Projection = Projection("sales", key=lambda event: cast("Any", event.version))
    with pytest.raises(UsageError) as refused:
        keyed.checked_key(recorded(Deposited(1)))
    assert str(refused.value) == "key of projection 'sales' gave 1 for 'n' at position 1: let it give text."
    assert (keyed.key_of(recorded(Deposited(1))), filled().key_of(recorded(Deposited(1)))) == ("account-7", "n")


def test_what_is_no_projection_is_told_with_what_makes_one() -> None:
    checked_projection(filled())
    with pytest.raises(UsageError) as refused:
        checked_projection(7)
    assert str(refused.value) == "7 is no projection: take what Projection(...) gave."


def test_neighbours_with_the_same_text_run_as_one() -> None:
    other, question, thing = sql("delete from sold"), ask("delete from sold"), object()
    steps = [SOLD, TAKEN, other, question, question, thing, SOLD]
    assert list(neighbours(steps)) == [[SOLD, TAKEN], [other], [question], [question], [thing], [SOLD]]


def test_a_projection_tells_what_it_is() -> None:
    assert repr(filled()) == "Projection('sales', version=2)"
    plain = Projection("sales")
    assert (plain.version, plain.schema, plain.tables, plain.together) == (1, "", (), None)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: Projection("sales", version=0), "projection 'sales' has version 0: the first is 1."),
        (
            lambda: filled().on(Deposited)(lambda event: None),
            "projection 'sales' handles Deposited already: one handler for one event.",
        ),
        (
            lambda: filled().effect(RawEvent)(lambda event: None),
            "projection 'sales' handles RawEvent already: one handler for one event.",
        ),
        (
            lambda: filled().on(int)(lambda event: None),
            "<class 'int'> is no event: mark the class with @event(\"...\").",
        ),
    ],
    ids=["version", "twice", "effect twice", "no event"],
)
def test_what_can_be_no_projection_is_refused(made: Callable[[], object], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        made()
    assert str(refused.value) == told


def test_a_projection_has_a_name() -> None:
    with pytest.raises(InvalidName) as refused:
        Projection("")
    assert (refused.value.kind, refused.value.name) == ("projection name", "")


def test_one_table_in_place_of_a_collection_of_tables_is_refused() -> None:
    tables: Any = LINES
    with pytest.raises(UsageError) as refused:
        Projection("sales", tables=tables)
    assert str(refused.value) == "projection 'sales' has one table for a collection of them: write tables=[...]."
