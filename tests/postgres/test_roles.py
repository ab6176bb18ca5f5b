"""Least privilege, with the SQL of the documentation; and triggers, which refuse even a superuser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import errors
from tests.docs.pages import DOCS, Page
from tests.postgres.attacks import AROUND, ATTACKS, refusals, run

from refold import AppendCondition, Query, Store, StoreReadOnly, UsageError
from refold.messages import RawEvent
from refold.projection import Projection, sql
from refold.testing.contract.sample import EVENTS, Deposit, Deposited, accounts
from refold.testing.postgres import PostgresServer

pytestmark = pytest.mark.guarantee("G8")

PAGE = Page(DOCS / "how-to/postgres-roles.md")
ROLES = ("shop_owner", "shop_writer", "shop_reader")
deposits = Projection("deposits", schema="create table deposits (amount integer)")


@deposits.on(Deposited)
def _(event: Any) -> Any:
    yield sql("insert into deposits values (:amount)", amount=event.data.amount)


def block(name: str) -> str:
    (text,) = (block.text for block in PAGE.blocks if block.words[1:] == (name,))
    return text


def as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}@{host}"))


@pytest.fixture
def without_a_store(url: str, postgres: PostgresServer) -> Iterator[str]:
    """A database with the roles, and an empty schema."""
    run(url, block("roles.sql"))
    yield url
    run(url, f"drop owned by {', '.join(ROLES)}; drop role {', '.join(ROLES)}")


@pytest.fixture
def shop(without_a_store: str) -> str:
    """A database with a store, its roles and their rights."""
    with Store.open(as_role(without_a_store, "shop_owner"), events=EVENTS) as store:
        store.append("account-1", [Deposited(5, "Ada")])
    run(without_a_store, block("rights.sql"))
    run(without_a_store, block("models.sql"))
    return without_a_store


def test_a_writer_does_all_that_programs_do(shop: str) -> None:
    with Store.open(as_role(shop, "shop_writer"), events=EVENTS) as store:
        assert store.bind(accounts).handle("1", Deposit(7), idempotency_key="k").state == 12
        condition = AppendCondition(Query.of(tags=["to:Ada"]), store.head())
        store.append("a-1", [RawEvent("X", {})], expected=0, condition=condition)
        assert store.catch_up(deposits) == 2
        assert store.query("select sum(amount) from deposits") == [(12,)]
        assert len(list(store.read())) == 3
        assert (store.stats().events, [d for _, d in store.verify() if d]) == (3, [])
    with Store.open(as_role(shop, "shop_writer"), events=EVENTS) as store:
        with psycopg.connect(as_role(shop, "shop_writer")) as connection:
            store.join(connection).append("a-1", [RawEvent("Y", {})])
        assert store.head() == 4


def test_a_writer_changes_no_event_and_does_not_get_around_the_triggers(shop: str) -> None:
    texts = ATTACKS + AROUND
    assert refusals(as_role(shop, "shop_writer"), texts) == dict.fromkeys(texts, "InsufficientPrivilege")


def test_triggers_refuse_the_owner_who_has_every_right(shop: str) -> None:
    assert refusals(as_role(shop, "shop_owner"), ATTACKS) == dict.fromkeys(ATTACKS, "RestrictViolation")
    with pytest.raises(errors.RestrictViolation, match="append a correcting event instead"):
        run(shop, "delete from refold.events")
    with Store.open(shop, events=EVENTS) as store:
        assert [(event.type, event.tags) for event in store.read()] == [("account.deposited", frozenset({"to:Ada"}))]


def test_a_missing_trigger_is_told_by_verify(shop: str) -> None:
    run(shop, "drop trigger tags_are_facts on refold.event_tags")
    with Store.open(shop) as store:
        ((_, (damage,)), *_) = store.verify()
    assert "tags_are_facts is missing" in damage.problem


def test_a_reader_reads_and_nothing_else(shop: str) -> None:
    with Store.open(as_role(shop, "shop_reader"), events=EVENTS) as store:
        (event,) = store.read(query=Query.of(tags=["to:Ada"]))
        assert store.bind(accounts).state("1") == 5
        assert list(store.read(since=event.recorded_at, until=event.recorded_at)) == [event]
        assert [info.version for info in store.streams()] == [1]
        assert (store.stats().events, [d for _, d in store.verify() if d]) == (1, [])
        with pytest.raises(StoreReadOnly, match=r"this role may not do that .*Nothing was written"):
            store.append("a-1", [RawEvent("X", {})])
        with pytest.raises(StoreReadOnly, match="this role may not do that"):
            store.append("a-1", [RawEvent("X", {})], condition=AppendCondition(Query.all(), 1))
        with pytest.raises((StoreReadOnly, UsageError), match="permission denied"):
            store.catch_up(deposits)
    with pytest.raises(errors.InsufficientPrivilege):
        run(as_role(shop, "shop_reader"), "insert into refold.events select * from refold.events")


@pytest.mark.parametrize("role", ["shop_writer", "shop_reader"])
def test_a_missing_store_is_told_with_the_way_out(without_a_store: str, role: str) -> None:
    with pytest.raises(StoreReadOnly, match="open it once as a role that may create schemas"):
        Store.open(as_role(without_a_store, role))


def test_a_tenant_is_not_made_by_a_role_that_may_not(shop: str) -> None:
    with Store.open(as_role(shop, "shop_writer")) as store, pytest.raises(StoreReadOnly, match="schema 'refold__acme'"):
        store.tenant("acme")
