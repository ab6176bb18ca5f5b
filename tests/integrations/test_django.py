"""Read models of Django's change with their checkpoint or not at all, each event once, whoever runs them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connections  # type: ignore[import-untyped] # Django has no types
from tests.integrations.django_shop import Note, Order, atomic, default_database, django_shop, shown
from tests.integrations.shop import EVENTS, Placed, folded, sell

from refold import AsyncStore, Projection, Recorded, Store, StoreUnreachable, UsageError, ask, sql
from refold.integrations.django import DjangoTarget, emptying


@pytest.fixture(autouse=True)
def database(url: str) -> Iterator[None]:
    """Django's default database."""
    with default_database(url):
        yield


@pytest.fixture
def target() -> DjangoTarget:
    return DjangoTarget()


def place(store: Store, *orders: str) -> None:
    """Append an order each, of one customer, for a cent."""
    for order in orders:
        store.append(f"order-{order}", [Placed(order, "c", 1)])


def placing(handler: Callable[[Recorded[Placed]], Any], **options: Any) -> Projection:
    """A projection with one handler."""
    view = Projection("placing", **options)
    view.on(Placed)(handler)
    return view


def put(recorded: Recorded[Placed]) -> None:
    order = recorded.data
    Order.objects.create(id=order.order, customer=order.customer, cents=order.cents, state="placed")


def order_ids() -> list[str]:
    return sorted(Order.objects.values_list("id", flat=True))


def test_a_read_model_equals_the_fold_of_the_log(store: Store, target: DjangoTarget) -> None:
    sell(store, 300)
    first = store.catch_up(django_shop(), into=target)
    assert (first, shown()) == (store.stats().events, folded(store.read()))
    sell(store, 50, seed=2, first=300)
    second = store.catch_up(django_shop(), into=DjangoTarget())
    assert (first + second, shown()) == (store.stats().events, folded(store.read()))


def test_a_reset_empties_what_the_projection_names_and_builds_it_again(store: Store, target: DjangoTarget) -> None:
    sell(store, 30)
    store.catch_up(django_shop(), into=target)
    model = store.model(django_shop(), into=target)
    model.reset()
    assert shown() == ({}, {})
    model.catch_up()
    assert shown() == folded(store.read())


def test_what_handlers_did_and_the_checkpoint_are_undone_together(store: Store, target: DjangoTarget) -> None:
    broken = {"x"}

    def placed(recorded: Recorded[Placed]) -> None:
        put(recorded)
        if recorded.data.order in broken:
            raise ZeroDivisionError

    view = placing(placed)
    place(store, "a", "b", "x", "y")
    with pytest.raises(ZeroDivisionError):
        store.catch_up(view, into=target)
    assert (order_ids(), store.model(view, into=target).status().position) == ([], 0)
    broken.clear()
    assert (store.catch_up(view, into=target), order_ids()) == (4, ["a", "b", "x", "y"])


def test_a_step_stands_or_falls_with_the_transaction_around_it(store: Store, target: DjangoTarget) -> None:
    view = placing(put)
    place(store, "a")

    def given_up() -> None:
        with atomic():
            assert (store.catch_up(view, into=target), order_ids()) == (1, ["a"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        given_up()
    assert order_ids() == []
    assert (store.catch_up(view, into=target), order_ids()) == (1, ["a"])


def test_handlers_may_yield_too(store: Store, target: DjangoTarget) -> None:
    seen: list[Any] = []

    def placed(recorded: Recorded[Placed]) -> Generator[Any, Any]:
        put(recorded)
        yield sql("update orders set cents = cents + :more where state like '%place%'", more=6)
        seen.append((yield ask("select cents from orders where id = :id", id=recorded.data.order)))
        Order.objects.filter(id=recorded.data.order).update(state="seen")

    place(store, "a")
    store.catch_up(placing(placed), into=target)
    assert (seen, shown()) == ([[(7,)]], ({"a": ("c", 7, "seen")}, {}))


def test_two_runners_at_once_apply_each_event_once(store: Store) -> None:
    sell(store, 300)
    applied: list[int] = []
    view = django_shop()

    def run() -> None:
        applied.append(store.catch_up(view, into=DjangoTarget()))
        connections.close_all()

    runners = [threading.Thread(target=run) for _ in range(3)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert (sum(applied), shown()) == (store.stats().events, folded(store.read()))


@pytest.mark.parametrize("way", ["raises", "at the statement", "at the commit", "swallows"])
def test_a_runner_parks_what_the_database_refuses_and_goes_on(store: Store, target: DjangoTarget, way: str) -> None:
    def placed(recorded: Recorded[Placed]) -> None:
        put(recorded)
        if recorded.data.order == "bad":
            match way:
                case "raises":
                    raise ZeroDivisionError
                case "at the statement":
                    Order.objects.create(id="a", cents=1)
                case "at the commit":
                    Note.objects.create(order_id="nowhere")
                case _:
                    with suppress(IntegrityError), atomic(savepoint=False):
                        Order.objects.create(id="a", cents=1)

    view = placing(placed)
    place(store, "a", "b", "bad", "d", "e")
    with store.run(view, into=target):
        store.model(view, into=target).wait_for(store.head(), timeout=30)
    assert order_ids() == ["a", "b", "d", "e"]
    assert [letter.position for letter in store.model(view, into=target).dead_letters()] == [3]


def test_a_handler_that_caught_an_error_is_told_of_savepoints(store: Store, target: DjangoTarget) -> None:
    def placed(recorded: Recorded[Placed]) -> None:
        with suppress(ZeroDivisionError), atomic(savepoint=False):
            raise ZeroDivisionError

    place(store, "a")
    with pytest.raises(UsageError, match=r"transaction.atomic\(\)"):
        store.catch_up(placing(placed), into=target)


def test_what_only_a_session_can_do_is_refused(store: Store, target: DjangoTarget) -> None:
    place(store, "a")
    with pytest.raises(UsageError, match="SessionTarget"):
        store.catch_up(placing(lambda _: [lambda session: session.add(1)]), into=target)


def test_another_version_is_not_built_beside_tables_that_classes_name(store: Store, target: DjangoTarget) -> None:
    place(store, "a")
    store.catch_up(placing(put), into=target)
    newer = placing(put, version=2, schema=emptying(Order))
    with pytest.raises(UsageError, match="reset"):
        store.model(newer, into=target).rebuild()
    store.model(newer, into=target).reset()
    assert (store.catch_up(newer, into=target), order_ids()) == (1, ["a"])


async def test_an_awaiting_store_runs_handlers_in_threads(tmp_path: Path, url: str) -> None:
    with Store.open(f"sqlite:///{tmp_path}/store.db?durability=best-effort", events=EVENTS) as store:
        sell(store, 40)
        wanted = folded(store.read())
    async with await AsyncStore.open(f"sqlite:///{tmp_path}/store.db", events=EVENTS) as awaiting:
        assert await awaiting.catch_up(django_shop(), into=DjangoTarget()) > 40
    found: list[Any] = []

    def look() -> None:
        found.append(shown())
        connections.close_all()

    await asyncio.to_thread(look)
    assert found == [wanted]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_connection_that_broke_is_a_trouble_that_may_pass(store: Store, target: DjangoTarget) -> None:
    cut = {"a"}

    def placed(recorded: Recorded[Placed]) -> None:
        put(recorded)
        if recorded.data.order in cut:
            connections["default"].connection.close()

    place(store, "a")
    with pytest.raises(StoreUnreachable):
        store.catch_up(placing(placed), into=target)
    cut.clear()
    assert (store.catch_up(placing(placed), into=target), order_ids()) == (1, ["a"])
