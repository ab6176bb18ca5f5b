"""Programs of verbs of a store, run in a tenant alone and in one among others: what each step is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count, zip_longest
from typing import Any, TypeAlias
from uuid import UUID

from hypothesis import strategies as st

from refold import (
    ANY,
    EXISTS,
    NO_STREAM,
    AppendCondition,
    NewEvent,
    Query,
    RefoldError,
    Store,
    StreamCheck,
    StreamWrite,
)
from refold.flows.append import Receipt
from refold.fold import compose
from refold.messages import Position, RawEvent, Recorded
from refold.projection import Projection, sql
from refold.query import ExpectedVersion
from refold.testing.contract.sample import (
    AccountEvent,
    CourseDefined,
    CourseFull,
    Deposit,
    Deposited,
    Overdrawn,
    TooManyCourses,
    Withdraw,
    accounts,
    courses,
    join,
    students,
)

Verb: TypeAlias = Callable[[Store, int], object]
Program: TypeAlias = Sequence[tuple[str, int]]

BELIEFS: tuple[ExpectedVersion, ...] = (ANY, 0, 1, NO_STREAM)

deposits = Projection("deposits", schema="create table deposits (amount integer)")


@deposits.on(Deposited)
def _(event: Recorded[Deposited]) -> Any:
    yield sql("insert into deposits values (:amount)", amount=event.data.amount)


# What is seen: everything but the ids that the clock gives, which all tenants of one store share, and bytes of the disk ---------


def seen(event: Recorded[Any]) -> object:
    data, tags = event.data, sorted(event.tags)
    given_id = event.id if event.id.int < 100 else None
    return event.position, str(event.stream), event.version, event.type, data, tags, event.recorded_at, given_id


def told(receipt: Receipt) -> object:
    return receipt.version, receipt.positions, receipt.repeated


def all_seen(events: Iterator[Recorded[Any]] | Sequence[Recorded[Any]]) -> object:
    return [seen(event) for event in events]


# The verbs -----------------------------------------------------------------------------------------------------------


def append(store: Store, n: int) -> object:
    event = NewEvent(Deposited(n, "Ada"), id=UUID(int=n + 1))
    return told(store.append(f"account-{n % 3}", [event], expected=BELIEFS[n % 4]))


def append_under_a_condition(store: Store, n: int) -> object:
    condition = AppendCondition(Query.of(tags=["to:Ada"]) | Query.of(types=["X"]), n * 5)
    return told(
        store.append(
            f"note-{n % 2}", [NewEvent(RawEvent("X", {"n": n}), tags=frozenset({f"t{n % 2}"}))], condition=condition
        )
    )


def append_all(store: Store, n: int) -> object:
    writes = [
        StreamWrite("account-0", [Deposited(n)]),
        StreamWrite("note-0", [RawEvent("Y", {})], expected=[ANY, EXISTS][n % 2]),
    ]
    return [
        told(receipt)
        for receipt in store.append_all(writes, checks=[StreamCheck("account-2", [ANY, NO_STREAM][n % 2])])
    ]


def handle(store: Store, n: int) -> object:
    done = store.bind(accounts).handle(
        str(n % 3), Withdraw(n) if n % 3 == 0 else Deposit(n), idempotency_key=f"k{n % 4}"
    )
    return done.state, done.version, done.position, done.repeated


def do(store: Store, n: int) -> object:
    def double(balance: int) -> Iterator[AccountEvent]:
        yield Deposited(balance)

    done = store.bind(accounts).do(str(n % 3), double)
    return done.state, done.version, done.position


def decide(store: Store, n: int) -> object:
    if n % 3 == 0:
        return told(store.append("course-c", [CourseDefined("c", n)]))
    model = compose(courses.tagged("course:c"), students.tagged(f"student:{n}"))
    return store.decide(model, join("c", str(n)), stream=f"student-{n}")


def read(store: Store, n: int) -> object:
    story = [event.metadata.correlation_id for event in store.read(limit=1)]
    after = n % 4
    return [
        all_seen(store.read(after=after, direction="backward" if n % 2 else "forward")),
        all_seen(store.read(f"account-{n % 3}", limit=n)),
        all_seen(store.read(category="account")),
        all_seen(store.read(query=Query.of(tags=["to:Ada"]) | Query.of(types=["X", "Y"]))),
        [all_seen(store.read(correlation_id=id)) for id in story],
        [all_seen(store.read(since=event.recorded_at, until=event.recorded_at)) for event in store.read(limit=1)],
    ]


def find(store: Store, n: int) -> object:
    return all_seen(store.find(*(UUID(int=id + 1) for id in range(n + 1))))


def head(store: Store, n: int) -> object:
    return store.head()


def wait(store: Store, n: int) -> object:
    return store.wait(n, timeout=0)


def state(store: Store, n: int) -> object:
    bound = store.bind(accounts)
    return bound.state(str(n % 3)), bound.load(str(n % 3), as_of=Position(n)), bound.load(str(n % 3), as_of=n % 2)


def streams(store: Store, n: int) -> object:
    return list(store.streams(["", "account", "x"][n % 3]))


def catch_up(store: Store, n: int) -> object:
    return store.catch_up(deposits), store.query("select amount from deposits order by amount")


def query(store: Store, n: int) -> object:
    return store.query("select count(*) from deposits where amount >= :least", least=n)


def stats(store: Store, n: int) -> object:
    counted = store.stats()
    return counted.events, counted.streams, counted.types, counted.categories, counted.head, counted.first_recorded_at


def verify(store: Store, n: int) -> object:
    return list(store.verify())


def context(store: Store, n: int) -> object:
    causes = [*store.read(limit=1)]
    named = store.context(actor=f"actor {n}", cause=causes[0] if causes else None)
    return told(named.append("note-1", [RawEvent("Z", {})])), [event.metadata.actor for event in store.read("note-1")]


def tenant(store: Store, n: int) -> object:
    inner = store.tenant("inner")
    return told(inner.append("a-1", [RawEvent("Q", {"n": n})])), all_seen(inner.read()), inner.head()


def durability(store: Store, n: int) -> object:
    return store.durability, store.limits


def subscribe(store: Store, n: int) -> object:
    with store.subscribe(after=n, idle=0) as events:
        return all_seen(events), events.position


def live(store: Store, n: int) -> object:
    with store.live(deposits, as_of=Position(n)) as model:
        return model.query("select amount from deposits order by amount"), model.position


def inline(store: Store, n: int) -> object:
    return told(store.inline(deposits).append(f"account-{n % 3}", [Deposited(n)])), catch_up(store, n)


def model(store: Store, n: int) -> object:
    found = store.model(deposits)
    found.rebuild()
    return found.catch_up(), found.status().position, found.audit().events, found.dead_letters()


def projections(store: Store, n: int) -> object:
    return [
        (each.name, each.build, each.role, each.position, each.lag) for each in store.projections()
    ], store.runners()


def wait_for(store: Store, n: int) -> object:
    store.wait_for(deposits, n, timeout=0)
    return store.head()


def to_arrow(store: Store, n: int) -> object:
    return store.to_arrow(after=n).column("stream").to_pylist()


def plan_undo(store: Store, n: int) -> object:
    found = [*store.read(after=n, limit=1)]
    plans = [
        plan(*(event.id for event in found), folds=[accounts]) for plan in (store.plan_undo, store.plan_redo) if found
    ]
    return [bool(plan.obstacles) for plan in plans]


VERBS: dict[str, Verb] = {
    verb.__name__: verb
    for verb in (
        append, append_under_a_condition, append_all, handle, do, decide, read, find, head, wait, state, streams, catch_up, query,
        stats, verify, context, tenant, durability, subscribe, live, inline, model, projections, wait_for, to_arrow, plan_undo,
    )
}  # fmt: skip


# Programs ------------------------------------------------------------------------------------------------------------


def step(store: Store, verb: str, n: int) -> object:
    """The result of one verb, or the kind of its error."""
    try:
        return VERBS[verb](store, n)
    except (RefoldError, Overdrawn, CourseFull, TooManyCourses) as error:
        return type(error).__name__


programs = st.lists(st.tuples(st.sampled_from(sorted(VERBS)), st.integers(0, 7)), max_size=12)
numbers = count(1)


def compare(store: Store, mine: Program, others: Program) -> None:
    """The same program in two tenants: in one alone, in the other between the steps of others."""
    number = next(numbers)
    alone = store.tenant(f"alone{number}")
    expected = [step(alone, verb, n) for verb, n in mine]

    among = store.tenant(f"among{number}")
    neighbours = [store, store.tenant(f"other{number}"), among.tenant("other")]
    results: list[object] = []
    for turn, (own, other) in enumerate(zip_longest(mine, others)):
        if other is not None:
            step(neighbours[turn % len(neighbours)], other[0], other[1])
        if own is not None:
            results.append(step(among, own[0], own[1]))
    assert results == expected


EVERYTHING: Program = [(verb, n) for n in (0, 1, 2) for verb in VERBS]
