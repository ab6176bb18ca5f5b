"""What cannot be meant is refused where it is given: by a sentence with the value and the way out, not by an error of Python."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from refold import (
    App,
    AppendCondition,
    Decider,
    Fold,
    Projection,
    Query,
    RefoldError,
    Store,
    StoreUnreachable,
    StreamWrite,
    UsageError,
    command,
    compose,
    event,
)


@event("account.paid-in")
class PaidIn:
    amount: int


@command("account.pay-in")
class PayIn:
    amount: int


@dataclass(frozen=True)
class Account:
    balance: int = 0


def decide(command: PayIn, account: Account) -> Iterator[PaidIn]:
    yield PaidIn(command.amount)


def evolve(account: Account, event: PaidIn) -> Account:
    return Account(account.balance + event.amount)


accounts = Decider("account", initial=Account, evolve=evolve, decide=decide)
total = accounts.tagged("a:b")
totals = Projection("totals", schema="create table totals (amount integer)")
anything: Any = "typo"
paid: Any = PaidIn(1)
query: Any = Query.of(types=["account.paid-in"])


def deciding(gives: Callable[[], object]) -> Decider[PayIn, Account, PaidIn]:
    wrong: Any = lambda command, account: gives()  # noqa: E731 - one for each case
    return Decider("account", initial=Account, evolve=evolve, decide=wrong)


async def awaiting() -> AsyncIterator[PaidIn]:
    yield PaidIn(1)


def handled(gives: Callable[[], object]) -> Callable[[Store], object]:
    return lambda store: store.bind(deciding(gives)).handle("1", PayIn(1))


def decided(gives: Callable[[], Any]) -> Callable[[Store], object]:
    return lambda store: store.decide(compose(total), lambda _: gives(), stream="account-1")


def done(gives: Callable[[], Any]) -> Callable[[Store], object]:
    return lambda store: store.bind(accounts).do("1", lambda _: gives())


NO_EVENTS = "and no collection of events: let it yield them, or return them in a list."
NO_COLLECTION = "PaidIn(amount=1) is no collection of events: give [...], even for one."
NO_CONDITION = "is no condition: write AppendCondition(Query.of(...), after=...)."
NO_ID = "is no id of an event: give its UUID, as in recorded.id."
NO_FOLD = "is no fold or decider: take what Fold(...) or Decider(...) gave."
NO_PROJECTION = "is no projection: take what Projection(...) gave."
NO_PROCESS = "'typo' is no process or saga: take what Process(...), Saga(...) or @saga gave."
NOTHING_TO_RUN = "there is nothing to run: name projections, processes or sagas."

Case: TypeAlias = tuple[Callable[[Store], object], str]
CASES: dict[str, Case] = {
    "append one event": (lambda store: store.append("account-1", paid), NO_COLLECTION),
    "append none": (lambda store: store.append("account-1", None), "None is no collection of events"),  # type: ignore[arg-type]
    "append one in many": (lambda store: store.append_all([StreamWrite("account-1", paid)]), NO_COLLECTION),
    "append no writes": (lambda store: store.append_all([("account-1", [])]), "append_all takes StreamWrite(stream, events)"),  # type: ignore[list-item]
    "append a number of writes": (lambda store: store.append_all(5), "writes=5 is no collection"),  # type: ignore[arg-type]
    "append on a query": (lambda store: store.append("account-1", [PaidIn(1)], condition=query), NO_CONDITION),
    "append many on a query": (
        lambda store: store.append_all([StreamWrite("account-1", [PaidIn(1)])], checks=[query]), NO_CONDITION,
    ),
    "condition of no query": (lambda _: AppendCondition(anything), "query='typo' is no query: write Query.of("),
    "decide nothing": (handled(lambda: None), f"decide gave None, {NO_EVENTS}"),
    "decide one event": (handled(lambda: paid), f"decide gave PaidIn(amount=1), {NO_EVENTS}"),
    "decide asynchronously": (handled(awaiting), f"{NO_EVENTS}"),
    "decide nothing over tags": (decided(lambda: None), f"decide gave None, {NO_EVENTS}"),
    "do nothing": (done(lambda: None), f"decide gave None, {NO_EVENTS}"),
    "initial state": (
        lambda _: Fold("account", initial=Account(), evolve=evolve),  # type: ignore[arg-type]
        "fold 'account' has initial=Account(balance=0): give what makes the state, such as its class, or lambda: ...",
    ),
    "one class for events of a fold": (
        lambda _: Fold("account", initial=Account, evolve=evolve, events=PaidIn), "is no collection:",  # type: ignore[arg-type]
    ),
    "one class for events of a store": (lambda _: Store.open("memory://", events=PaidIn), "is no collection:"),  # type: ignore[arg-type]
    "compose nothing": (lambda _: compose(), "compose() has nothing to decide on: give it folds over tags"),  # type: ignore[call-overload]
    "compose a fold": (lambda _: compose(accounts), "compose takes folds over tags, fold.tagged(...), not Decider("),  # type: ignore[call-overload]
    "bind a class": (lambda store: store.bind(Account), f"{Account!r} {NO_FOLD}"),  # type: ignore[call-overload]
    "live of a text": (lambda store: store.live(anything), f"'typo' {NO_FOLD}"),
    "catch up a decider": (lambda store: store.catch_up(accounts), NO_PROJECTION),  # type: ignore[arg-type]
    "model of a text": (lambda store: store.model(anything), f"'typo' {NO_PROJECTION}"),
    "inline a text": (lambda store: store.inline(anything), f"'typo' {NO_PROJECTION}"),
    "process of a text": (lambda store: store.process(anything), NO_PROCESS),
    "find by a text": (lambda store: store.find(anything), f"'typo' {NO_ID}"),
    "undo of an event": (lambda store: store.plan_undo(next(store.read()), folds=[accounts]), NO_ID),  # type: ignore[arg-type]
    "undo with one fold": (
        lambda store: store.plan_undo(next(store.read()).id, folds=accounts), "is no collection: write it into one, [...].",  # type: ignore[arg-type]
    ),
    "schedule a command": (
        lambda store: store.schedule("s", send=PayIn(1), cron="0 3 * * *"),  # type: ignore[arg-type]
        "send=PayIn(amount=1) goes to nobody: take what a decider's send(id, command) gives.",
    ),
    "parameter that is missing": (
        lambda store: store.query("select :a"), "parameter :a of this SQL is not given: select :a",
    ),
    "run nothing": (lambda store: store.run(), NOTHING_TO_RUN),
    "run deciders alone": (lambda store: store.run(accounts), NOTHING_TO_RUN),
    "run a text": (lambda store: store.run(totals, anything), "'typo' is nothing that runs"),
    "app of a class": (lambda _: App(accounts, anything), "'typo' is no part of an app: name folds, deciders,"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "told"), CASES.values(), ids=CASES)
def test_what_cannot_be_meant_is_refused_with_the_value_and_the_way_out(
    call: Callable[[Store], object], told: str
) -> None:
    with Store.open("sqlite:///:memory:") as store:
        store.append("account-7", [PaidIn(1)])
        head = store.head()
        with pytest.raises(RefoldError) as refused:
            call(store)
        assert told in str(refused.value)
        assert isinstance(refused.value, UsageError)
        assert store.head() == head


def test_a_type_error_of_the_decision_itself_comes_out_as_it_is() -> None:
    def wrong(command: PayIn, account: Account) -> Iterator[PaidIn]:
        yield PaidIn(command.amount + "1")  # type: ignore[operator]

    with Store.open("memory://") as store, pytest.raises(TypeError, match="unsupported operand"):
        store.bind(Decider("account", initial=Account, evolve=evolve, decide=wrong)).handle("1", PayIn(1))


def test_a_directory_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable) as refused:
        Store.open(f"sqlite:///{tmp_path}")
    assert (
        str(refused.value)
        == f"{str(tmp_path)!r} is a directory: name a file in it, as in {str(tmp_path / 'store.db')!r}."
    )
