"""Read models of SQLAlchemy's change with their checkpoint or not at all, each event once, whoever runs them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, create_engine, event, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker
from tests.integrations.shop import (
    EVENTS,
    Base,
    Customer,
    Order,
    Placed,
    count,
    engine_at,
    folded,
    mapped_shop,
    sell,
    shown,
)

from refold import AsyncStore, Projection, Recorded, Store, StoreUnreachable, Table, UsageError, ask, sql
from refold.integrations.sqlalchemy import AsyncSessionTarget, SessionTarget, emptying


class Note(Base):
    """Refers to an order, which is looked for at the commit only."""

    __tablename__ = "notes"
    number: Mapped[int] = mapped_column(primary_key=True)
    order: Mapped[str] = mapped_column(ForeignKey("orders.id", deferrable=True, initially="DEFERRED"))


@pytest.fixture
def target(engine: Engine) -> SessionTarget:
    return SessionTarget(engine)


def place(store: Store, *orders: str) -> None:
    """Append an order each, of one customer, for a cent."""
    for order in orders:
        store.append(f"order-{order}", [Placed(order, "c", 1)])


def orders_in(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return sorted(session.scalars(select(Order.id)))


def placing(handler: Callable[[Recorded[Placed]], Any], **options: Any) -> Projection:
    """A projection with one handler."""
    view = Projection("placing", **options)
    view.on(Placed)(handler)
    return view


def row(recorded: Recorded[Placed]) -> Order:
    return Order(id=recorded.data.order, customer=recorded.data.customer, cents=recorded.data.cents, state="placed")


def test_a_read_model_equals_the_fold_of_the_log(store: Store, engine: Engine, target: SessionTarget) -> None:
    sell(store, 400)
    first = store.catch_up(mapped_shop(), into=target)
    assert (first, shown(engine)) == (store.stats().events, folded(store.read()))
    sell(store, 50, seed=2, first=400)
    second = store.catch_up(mapped_shop(), into=SessionTarget(engine))
    assert (first + second, shown(engine)) == (store.stats().events, folded(store.read()))


def test_a_reset_empties_what_the_projection_names_and_builds_it_again(
    store: Store, engine: Engine, target: SessionTarget
) -> None:
    sell(store, 30)
    store.catch_up(mapped_shop(), into=target)
    model = store.model(mapped_shop(), into=target)
    model.reset()
    assert shown(engine) == ({}, {})
    model.catch_up()
    assert shown(engine) == folded(store.read())


def test_what_handlers_did_and_the_checkpoint_are_undone_together(
    store: Store, engine: Engine, target: SessionTarget
) -> None:
    broken = {"x"}

    def placed(recorded: Recorded[Placed]) -> Generator[Any]:
        yield lambda session: session.add(row(recorded))
        yield insert(Customer).values(name=recorded.data.order, orders=1, cents=1)
        if recorded.data.order in broken:
            raise ZeroDivisionError

    view = placing(placed)
    place(store, "a", "b", "x", "y")
    with pytest.raises(ZeroDivisionError):
        store.catch_up(view, into=target)
    assert (shown(engine), store.model(view, into=target).status().position) == (({}, {}), 0)
    broken.clear()
    assert store.catch_up(view, into=target) == 4
    assert orders_in(engine) == ["a", "b", "x", "y"]


def test_answers_show_all_that_was_yielded_before(store: Store, target: SessionTarget) -> None:
    seen: list[Any] = []
    tags = Table("tags", Tag, key="order")

    def placed(recorded: Recorded[Placed]) -> Generator[Any, Any]:
        seen.append((yield lambda session: session.add(row(recorded))))
        yield tags.put(Tag(recorded.data.order, 1))
        seen.append([order.id for (order,) in (yield select(Order))])
        seen.append((yield ask("select id, n from orders join tags on id = \"order\" where id <> ':no'")))
        yield sql("update tags set n = n + 1")
        seen.append((yield text("select n from tags")))
        seen.append((yield lambda session: session.get(Order, "a").state))
        seen.append((yield insert(Customer).values(name="c", orders=1, cents=1)))

    place(store, "a")
    store.catch_up(placing(placed, tables=(tags,)), into=target)
    assert seen == [None, ["a"], [("a", 1)], [(2,)], "placed", ()]


@dataclass(frozen=True)
class Tag:
    """A row of a table that Refold makes."""

    order: str
    n: int


def test_a_handler_may_return_a_list(store: Store, engine: Engine, target: SessionTarget) -> None:
    view = placing(lambda recorded: [lambda session: session.add(row(recorded)), sql("update orders set cents = 7")])
    place(store, "a")
    store.catch_up(view, into=target)
    assert shown(engine) == ({"a": ("c", 7, "placed")}, {})


def test_two_runners_at_once_apply_each_event_once(store: Store, url: str, engine: Engine) -> None:
    sell(store, 500)
    applied: list[int] = []
    view = mapped_shop()

    def run() -> None:
        own = engine_at(url)
        applied.append(store.catch_up(view, into=SessionTarget(own)))
        own.dispose()

    runners = [threading.Thread(target=run) for _ in range(3)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert (sum(applied), shown(engine)) == (store.stats().events, folded(store.read()))


def test_runners_share_the_work_and_hand_it_over(store: Store, url: str, engine: Engine) -> None:
    view = mapped_shop()
    other = engine_at(url)
    with store.run(view, into=SessionTarget(engine)), store.run(view, into=SessionTarget(other)):
        sell(store, 40)
        store.model(view, into=SessionTarget(engine)).wait_for(store.head(), timeout=30)
        assert shown(engine) == folded(store.read())
    other.dispose()


@pytest.mark.parametrize("way", ["raises", "at the statement", "at the flush", "at the commit"])
def test_a_runner_parks_what_the_database_refuses_and_goes_on(
    store: Store, engine: Engine, target: SessionTarget, way: str
) -> None:
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda raw, _: raw.execute("pragma foreign_keys = on"))
        engine.dispose()

    def placed(recorded: Recorded[Placed]) -> Generator[Any]:
        yield lambda session: session.add(row(recorded))
        if recorded.data.order == "bad":
            match way:
                case "raises":
                    raise ZeroDivisionError
                case "at the statement":
                    yield insert(Order).values(id="a")
                case "at the flush":
                    yield lambda session: session.add(Order(id="c1"))
                case _:
                    yield lambda session: session.add(Note(number=1, order="nowhere"))

    view = placing(placed)
    place(store, "a", "b", "bad", "d", "e")
    with store.run(view, into=target):
        store.model(view, into=target).wait_for(store.head(), timeout=30)
    assert orders_in(engine) == ["a", "b", "d", "e"]
    assert [letter.position for letter in store.model(view, into=target).dead_letters()] == [3]


def test_a_parked_event_is_tried_again_through_the_session(store: Store, engine: Engine, target: SessionTarget) -> None:
    broken = {"bad"}

    def placed(recorded: Recorded[Placed]) -> Generator[Any]:
        yield lambda session: session.add(row(recorded))
        if recorded.data.order in broken:
            raise ZeroDivisionError

    view = placing(placed)
    place(store, "a", "bad")
    model = store.model(view, into=target)
    with store.run(view, into=target):
        place(store, "c")
        model.wait_for(store.head(), timeout=30)
    broken.clear()
    model.retry()
    assert (orders_in(engine), list(model.dead_letters())) == (["a", "bad", "c"], [])


def test_a_handler_cannot_end_the_transaction(store: Store, engine: Engine, target: SessionTarget) -> None:
    def committing(recorded: Recorded[Placed]) -> Generator[Any]:
        yield lambda session: session.add(row(recorded))
        yield lambda session: session.commit()
        if recorded.data.order == "b":
            raise ZeroDivisionError

    place(store, "a", "b")
    with pytest.raises(ZeroDivisionError):
        store.catch_up(placing(committing), into=target)
    assert orders_in(engine) == []
    rolling = placing(lambda recorded: [lambda s: s.merge(row(recorded)), sql("select 1"), lambda s: s.rollback()])
    with pytest.raises(UsageError, match="rolled back the transaction"):
        store.catch_up(rolling, into=target)
    with pytest.raises(UsageError, match="no transaction"):
        store.catch_up(placing(lambda _: [text("commit")]), into=target)
    assert store.model(rolling, into=target).status().position == 0


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)  # SQLite goes on as if the statement had not been there
def test_a_handler_that_caught_an_error_is_told_of_savepoints(store: Store, target: SessionTarget) -> None:

    def catching(session: Session) -> None:
        with suppress(IntegrityError):
            session.execute(insert(Order).values(id=None))

    place(store, "a")
    with pytest.raises(UsageError, match="begin_nested"):
        store.catch_up(placing(lambda _: [catching]), into=target)


def test_what_no_session_can_execute_is_refused(store: Store, target: SessionTarget) -> None:
    place(store, "a")
    with pytest.raises(UsageError, match="no session can execute"):
        store.catch_up(placing(lambda _: [7]), into=target)
    with pytest.raises(UsageError, match=r"cannot run this .*nowhere"):
        store.catch_up(placing(lambda _: [sql("insert into nowhere values (1)")]), into=target)


def test_what_an_orm_can_do_needs_that_orm(store: Store) -> None:
    place(store, "a")
    with pytest.raises(UsageError, match=r"into=SessionTarget"):
        store.catch_up(placing(lambda _: [insert(Customer).values(name="c")]))
    with pytest.raises(UsageError, match=r"into=DjangoTarget"):
        store.catch_up(placing(lambda _: None))


def test_another_version_is_not_built_beside_tables_that_classes_name(
    store: Store, engine: Engine, target: SessionTarget
) -> None:
    place(store, "a")
    store.catch_up(placing(lambda recorded: [lambda session: session.add(row(recorded))]), into=target)
    newer = placing(lambda recorded: [lambda s: s.add(row(recorded))], version=2, schema=emptying(Order))
    with pytest.raises(UsageError, match="reset"):
        store.model(newer, into=target).rebuild()
    with store.run(newer, into=target) as running:
        while not running.troubles:
            threading.Event().wait(0.01)
    assert "reset" in str(running.troubles["placing"])
    store.model(newer, into=target).reset()
    assert (store.catch_up(newer, into=target), orders_in(engine)) == (1, ["a"])


def test_sessions_are_made_as_the_application_makes_them(store: Store, engine: Engine) -> None:
    seen: list[Any] = []
    place(store, "a")
    sessions = sessionmaker(engine, info={"by": "us"})
    view = placing(lambda _: [lambda session: seen.append(session.info)])
    store.catch_up(view, into=SessionTarget(engine, sessions=sessions))
    assert seen == [{"by": "us"}]
    with pytest.raises(UsageError, match="binds"):
        SessionTarget(engine, sessions=sessionmaker(binds={Order: engine}))


def test_an_engine_that_commits_by_itself_doubles_nothing(store: Store, url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    Base.metadata.create_all(engine)
    broken = {"b"}

    def placed(recorded: Recorded[Placed]) -> Generator[Any]:
        yield lambda session: count(session, "c", 1, 1)
        if recorded.data.order in broken:
            raise ZeroDivisionError

    place(store, "a", "b")
    if engine.dialect.name == "sqlite":
        with pytest.raises(UsageError, match="AUTOCOMMIT"):
            store.catch_up(placing(placed), into=SessionTarget(engine))
    else:
        with pytest.raises(ZeroDivisionError):
            store.catch_up(placing(placed), into=SessionTarget(engine))
    assert shown(engine) == ({}, {})
    engine.dispose()


def test_other_databases_are_refused() -> None:
    class MySql:
        class dialect:  # noqa: N801 - as SQLAlchemy calls it
            name = "mysql"

    with pytest.raises(UsageError, match="not in mysql"):
        SessionTarget(MySql())  # type: ignore[arg-type] # no driver for it is needed so


def test_a_database_that_is_not_there_is_a_trouble_that_may_pass(store: Store, tmp_path: Path) -> None:
    place(store, "a")
    nowhere = create_engine("postgresql+psycopg://x@127.0.0.1:1/x")
    with pytest.raises(StoreUnreachable):
        store.catch_up(mapped_shop(), into=SessionTarget(nowhere))
    with pytest.raises(StoreUnreachable):
        store.catch_up(mapped_shop(), into=SessionTarget(create_engine(f"sqlite:///{tmp_path}/no/such.db")))


async def test_an_awaiting_store_uses_a_blocking_engine_in_threads(tmp_path: Path, engine: Engine) -> None:
    with Store.open(f"sqlite:///{tmp_path}/store.db?durability=best-effort", events=EVENTS) as store:
        sell(store, 60)
        wanted = folded(store.read())
    async with await AsyncStore.open(f"sqlite:///{tmp_path}/store.db", events=EVENTS) as awaiting:
        assert await awaiting.catch_up(mapped_shop(), into=SessionTarget(engine)) > 60
        async with awaiting.run(mapped_shop(), into=SessionTarget(engine)):
            await awaiting.append("order-z", [Placed("z", "c", 1)])
            await awaiting.model(mapped_shop(), into=SessionTarget(engine)).wait_for(await awaiting.head(), timeout=30)
    assert shown(engine)[0] == wanted[0] | {"z": ("c", 1, "placed")}


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_an_awaiting_store_and_an_awaiting_engine_run_the_same_handlers(
    tmp_path: Path, url: str, engine: Engine
) -> None:
    with Store.open(f"sqlite:///{tmp_path}/store.db?durability=best-effort", events=EVENTS) as store:
        sell(store, 60)
        wanted = folded(store.read())
        awaiting_engine = create_async_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        target = AsyncSessionTarget(awaiting_engine)
        with pytest.raises(UsageError, match="AsyncStore"):
            store.catch_up(mapped_shop(), into=target)
    async with await AsyncStore.open(f"sqlite:///{tmp_path}/store.db", events=EVENTS) as awaiting:
        assert await awaiting.catch_up(mapped_shop(), into=target) > 60
        assert shown(engine) == wanted
        await awaiting.append("order-bad", [Placed("bad", "c", 1)])
        with pytest.raises(ZeroDivisionError):
            await awaiting.catch_up(raising(), into=target)
    await awaiting_engine.dispose()
    assert shown(engine) == wanted


def raising() -> Projection:
    view = Projection("shop", schema=emptying(Order, Customer))

    @view.on(Placed)
    def placed(recorded: Recorded[Placed]) -> Generator[Any]:
        yield lambda session: session.add(row(recorded))
        raise ZeroDivisionError

    return view


def test_what_is_no_place_for_read_models_is_refused(store: Store, engine: Engine) -> None:
    with pytest.raises(UsageError, match="SessionTarget"):
        store.model(mapped_shop(), into=engine)  # type: ignore[arg-type] # that is the mistake
