"""given / when / then for projections: what handlers yield, what they are told, and the rows that come of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from refold import NewEvent, Projection, RawEvent, Recorded, Statement, Store, Table, UsageError, ask, sql
from refold.projection import Asking, Caused
from refold.tables import Change
from refold.testing import in_stream, spec
from refold.testing.contract.sample import Deposited, Noted, Withdrawn

LATER = datetime(2026, 2, 3, tzinfo=UTC)


@dataclass(frozen=True)
class Balance:
    account: str
    amount: int


balances = Table("balances", Balance, key="account")
SCHEMA = "create table log (position integer primary key, stream text, version integer, at text)"
view = Projection("view", schema=SCHEMA, tables=[balances])


@view.on(Deposited, get=lambda e: balances[e.stream.id])
def deposited(event: Recorded[Deposited], row: Balance | None) -> Iterator[Change]:
    yield balances.put(Balance(event.stream.id, event.data.amount + (row.amount if row else 0)))


@view.on(Withdrawn)
def withdrawn(event: Recorded[Withdrawn]) -> Iterator[Caused]:
    yield balances.patch(event.stream.id, amount=0)
    yield logged(event)


@view.effect(Withdrawn)
def told(event: Recorded[Withdrawn]) -> Iterator[Statement]:
    yield sql("insert into log values (-:position, 'told', 0, '')", position=event.position)


@view.on(Noted)
def noted(event: Recorded[Noted]) -> Iterator[Statement]:
    if not event.data.text:
        raise ValueError("an empty note")
    yield logged(event)


def logged(event: Recorded[Any]) -> Statement:
    return sql(
        "insert into log values (:position, :stream, :version, :at)",
        position=event.position, stream=str(event.stream), version=event.version, at=event.recorded_at.isoformat(),
    )  # fmt: skip


asking = Projection("asking", schema="create table sums (total integer)")


@asking.on(Deposited)
def summed(event: Recorded[Deposited]) -> Asking:
    ((count,),) = yield ask("select count(*) from sums")
    ((total,),) = yield ask("select coalesce(sum(total), 0) from sums")
    assert isinstance(count, int)
    assert isinstance(total, int)
    yield sql("insert into sums values (:total)", total=total + event.data.amount + count)


given = spec(view)


# What handlers yield ----------------------------------------------------------


def test_what_a_handler_yields_is_compared_in_order() -> None:
    given().when(Deposited(5), stream="account-7").then(balances.put(Balance("7", 5)))
    given().when(Deposited(5)).then(balances.put(Balance("1", 5)))


def test_a_handler_that_looks_up_a_row_sees_the_one_that_the_history_made() -> None:
    given(Deposited(5), Deposited(6)).when(Deposited(1)).then(balances.put(Balance("1", 12)))
    given(Deposited(5), Withdrawn(5), Noted("SQL is passed over")).when(Deposited(1)).then(
        balances.put(Balance("1", 1))
    )


def test_events_may_be_of_several_streams_and_times() -> None:
    history = (*in_stream("account-1", Deposited(5), Deposited(6)), *in_stream("account-2", Deposited(1)))
    given(*history).when(Deposited(1), stream="account-1").then(balances.put(Balance("1", 12)))
    given(*history).when(Noted("x"), stream="account-1", at=LATER).then(
        sql(
            "insert into log values (:position, :stream, :version, :at)",
            position=4, stream="account-1", version=3, at=LATER.isoformat(),
        )
    )  # fmt: skip


def test_an_effect_follows_what_the_handler_yields() -> None:
    outcome = given(Deposited(5)).when(Withdrawn(5))
    assert [type(one).__name__ for one in outcome.outputs] == ["Patch", "Statement", "Statement"]
    assert outcome.outputs[-1] == sql("insert into log values (-:position, 'told', 0, '')", position=2)


def test_an_event_without_a_handler_causes_nothing() -> None:
    given().when(RawEvent("other.thing", {})).then_nothing()


def test_a_handler_that_raises_is_an_outcome_but_a_history_that_cannot_be_is_none() -> None:
    given().when(Noted("")).then_raises(ValueError, "empty")
    with pytest.raises(ValueError, match="empty"):
        given(Noted("")).when(Deposited(1))


def test_questions_are_yielded_and_answered() -> None:
    spec(asking)().answering([(2,)], [(40,)]).when(Deposited(5)).then(
        ask("select count(*) from sums"),
        ask("select coalesce(sum(total), 0) from sums"),
        sql("insert into sums values (:total)", total=47),
    )


def test_a_question_without_an_answer_says_what_to_do() -> None:
    spec(asking)().answering([(2,)]).when(Deposited(5)).then_raises(
        UsageError, "asks 'select coalesce(sum(total), 0) from sums': say what it is told, with .answering([...])"
    )


def test_rows_that_take_a_database_are_not_guessed() -> None:
    mixed = Projection("mixed", tables=[balances])
    mixed.on(Noted)(lambda _: [ask("select 1")])
    mixed.on(Deposited, get=lambda _: balances["1"])(lambda _, row: [balances.put(row or Balance("1", 1))])
    with pytest.raises(UsageError, match=r"on 'note.taken' the history's handler asks 'select 1'.*then_rows"):
        spec(mixed)(Noted("x")).when(Deposited(1))


def test_a_handler_of_raw_events_gets_those_that_have_no_other() -> None:
    raw = Projection("raw")
    raw.on(Noted)(lambda _: ())
    raw.on(RawEvent)(lambda e: [sql(e.data.type, **e.data.data)])
    spec(raw)().when(Deposited(5, to="x")).then(sql("account.deposited", amount=5, to="x"))
    spec(raw)().when(RawEvent("other.thing", {"a": 1})).then(sql("other.thing", a=1))
    spec(raw)().when(Noted("x")).then_nothing()


def test_a_new_event_brings_its_tags_and_times() -> None:
    told = Projection("told")
    told.on(Deposited)(lambda e: [sql("x", tags=" ".join(sorted(e.tags)), at=e.valid_at.isoformat())])
    spec(told)().when(NewEvent(Deposited(1, to="x"), tags=frozenset({"a"}), valid_at=LATER)).then(
        sql("x", tags="a to:x", at=LATER.isoformat())
    )


# What comes of them -----------------------------------------------------------


def test_the_rows_of_a_query_are_compared_in_order() -> None:
    history = given(*in_stream("note-1", Noted("a")), *in_stream("note-2", Noted("b"), at=LATER))
    history.then_rows(
        "select * from log order by position desc",
        (2, "note-2", 1, LATER.isoformat()),
        (1, "note-1", 1, "2026-01-01T00:00:00+00:00"),
    )
    with pytest.raises(AssertionError, match=r"expected: \('note-1',\)\n +actual:   \('note-1',\), \('note-2',\)"):
        history.then_rows("select stream from log", ("note-1",))


def test_the_rows_of_a_table_are_compared_in_any_order() -> None:
    history = given(*in_stream("account-1", Deposited(5), Withdrawn(1)), *in_stream("account-2", Deposited(7)))
    history.then_table(balances, Balance("2", 7), Balance("1", 0))
    with pytest.raises(
        AssertionError, match=r"expected: nothing\n +actual:   Balance\(account='1', amount=0\), Balance"
    ):
        history.then_table(balances)


def test_a_database_answers_and_effects_are_caused() -> None:
    spec(asking)(Deposited(5), Deposited(6)).then_rows("select total from sums", (5,), (12,))
    given(Withdrawn(1)).then_rows("select stream from log order by position", ("told",), ("test-1",))


def test_an_empty_history_leads_to_empty_tables() -> None:
    given().then_rows("select * from log")
    given().then_table(balances)


def test_events_of_a_store_are_a_history() -> None:
    with Store.open("memory://") as store:
        store.append("account-7", [Deposited(5)])
        store.append("account-8", [Deposited(6), Noted("x")])
        store.append("account-7", [Deposited(7)])
        events = [*store.read()]
    given(*events).then_table(balances, Balance("7", 12), Balance("8", 6))
    given(*events[1:]).when(events[0]).then(balances.put(Balance("7", 12)))
