"""A tenant cannot tell whether there are others: what it is told is the same with and without them, for every verb."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import count, zip_longest
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
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
from refold.testing import ManualClock
from refold.testing.contract.sample import (
    EVENTS,
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
from refold.testing.postgres import PostgresServer

pytestmark = pytest.mark.guarantee("G11")

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


def test_no_verb_of_a_store_is_left_out() -> None:
    named = {name for name, _ in inspect.getmembers(Store) if not name.startswith("_")}
    elsewhere = {"open", "close", "bind", "join", "limits"}  # bind: handle, do, state; join: tested with its drivers
    of_these = {
        "process",
        "run",
        "runners",
        "received",
        "schedule",
        "unschedule",
        "schedules",
        "plan_redo",
        "undo",
        "redo",
        "copy_to",
        "check_copy",
    }  # made of reads, appends and steps
    assert named - elsewhere - of_these <= VERBS.keys()


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


BACKENDS = {"memory": 150, "sqlite": 25, "postgresql": 15}
"""How many pairs of programs each of them runs in the short form."""
EVERYTHING = [(verb, n) for n in (0, 1, 2) for verb in VERBS]


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer) -> Iterator[Store]:
    """An empty store on each backend."""
    match request.param:
        case "memory":
            url = "memory://"
        case "sqlite":
            url = f"sqlite:///{tmp_path}/store.db?durability=best-effort"
        case _:
            url = postgres.new_database()
    with Store.open(url, events=EVENTS, clock=ManualClock()) as store:
        yield store
    if url.startswith("postgresql:"):
        postgres.drop(url)


def run(store: Store, pairs: int) -> None:
    ran = 0

    @settings(max_examples=pairs, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @example(mine=EVERYTHING, others=EVERYTHING)
    @given(mine=programs, others=programs)
    def pair(mine: Program, others: Program) -> None:
        nonlocal ran
        ran += 1
        compare(store, mine, others)

    pair()
    print(f"\n{ran} pairs of programs, every verb among them: no difference")


def test_what_a_tenant_is_told_is_the_same_with_and_without_others(
    store: Store, request: pytest.FixtureRequest
) -> None:
    run(store, BACKENDS[request.node.callspec.params["store"]])


@pytest.mark.long
def test_what_a_tenant_is_told_is_the_same_with_and_without_others_in_many_programs(
    store: Store, request: pytest.FixtureRequest
) -> None:
    run(store, {"memory": 3_000, "sqlite": 300, "postgresql": 200}[request.node.callspec.params["store"]])


def test_tenants_that_share_a_store_are_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison bites: a store whose tenants are all the store itself does not pass it."""
    monkeypatch.setattr(Store, "tenant", lambda self, name: self)
    with pytest.raises(AssertionError):
        compare(store, EVERYTHING, EVERYTHING)


def test_closing_a_tenant_leaves_the_store_open_and_closing_the_store_ends_all(store: Store) -> None:
    with store.tenant("a") as tenant:
        tenant.append("x-1", [RawEvent("X", {})])
        tenant.wait(0, timeout=1)
    assert store.append("x-1", [RawEvent("X", {})]).positions == (1,)
    store.tenant("b").wait(0, timeout=0.01)
    store.close()
    with pytest.raises(RefoldError):
        store.head()


@pytest.mark.parametrize("name", ["acme", "A B"])
def test_a_tenant_is_woken_by_its_own_appends_alone(url: str, name: str) -> None:
    with Store.open(url, events=EVENTS) as store, Store.open(url, events=EVENTS) as other:
        woken: list[int] = []
        tenant = store.tenant(name)
        waiting = threading.Thread(target=lambda: woken.append(tenant.wait(0, timeout=20)))
        waiting.start()
        other.append("x-1", [RawEvent("X", {})])
        waiting.join(0.1)
        assert (woken, waiting.is_alive()) == ([], True)
        other.tenant(name).append("x-1", [RawEvent("X", {})])
        waiting.join(10)
        assert woken == [1]


def test_the_schemas_of_tenants_hold_only_their_own(url: str) -> None:
    with Store.open(url, events=EVENTS) as store:
        for name in ("a", "b"):
            store.tenant(name).append("x-1", [RawEvent(name, {})])
    with psycopg.connect(url) as connection:
        for schema, held in (("refold", []), ("refold__a", ["a"]), ("refold__b", ["b"])):
            connection.execute("select set_config('search_path', %s, false)", (schema,))
            rows = connection.execute("select type from events").fetchall()
            assert [type for (type,) in rows] == held
