"""What a store has of an event counts under each name that it ever had; and an opening of books is emitted by its closing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from refold import App
from refold.architect import Stored, derive, review

NAMES = """
@upcast("cart.filled", 1, to=2)
def counted(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "count": 1}


@event(
    "cart.filled",
    version=2,
    upcasters=[move("bag.filled", to="basket.filled"), upcast("basket.filled", 1, to=1, into="cart.filled")(), counted],
)
class Filled:
    count: int


app = App(Fold("cart", initial=int, evolve=lambda count, event: count + 1, events=(Filled,)))
"""


@pytest.mark.parametrize("name", ["cart.filled", "basket.filled", "bag.filled"])
def test_an_event_is_stored_under_any_name_that_leads_to_it(name: str, app_of: Callable[[str], App]) -> None:
    assert review(app_of(NAMES), stored=Stored({name: 3}, {}, {})) == []


def test_one_that_is_stored_under_none_of_them_is_emitted_by_nobody(app_of: Callable[[str], App]) -> None:
    found = review(app_of(NAMES), stored=Stored({"$other": 3}, {}, {}))
    assert [each.rule for each in found] == ["ES051"]


BOOKS = """
@command("ledger.close")
class Close: ...


@event("ledger.closed")
class Closed: ...


@event("ledger.opened")
class Opened:
    balance: int


def evolve(balance: int, event: Closed | Opened) -> int:
    return event.balance if isinstance(event, Opened) else balance


def decide(command: Close, balance: int) -> Iterator[Closed]:
    yield Closed()


ledgers = Decider("ledger", initial=int, evolve=evolve, decide=decide)
app = App(Closing(ledgers, closed_by=Closed, opening=%s))
"""


def test_the_event_that_opens_the_books_is_emitted_by_the_closing(app_of: Callable[[str], App]) -> None:
    app = app_of(BOOKS % "lambda balance: Opened(balance)")
    assert review(app, stored=Stored({"ledger.closed": 1}, {}, {})) == []
    assert derive(app).folds[0].emits == ("ledger.closed", "ledger.opened")


def test_what_opens_the_books_depends_on_the_state_alone(app_of: Callable[[str], App]) -> None:
    (found,) = review(app_of(BOOKS % "lambda balance: Opened(datetime.now(UTC).year)"))
    assert (found.rule, found.message.startswith("opening of 'ledger' reads the clock")) == ("ES041", True)


@pytest.mark.parametrize(("count", "said"), [(1, "1 event of type 'a' is"), (1_200, "1,200 events of type 'a' are")])
def test_events_are_counted_as_people_do(count: int, said: str, app_of: Callable[[str], App]) -> None:
    (found,) = review(app_of("app = App()\n"), stored=Stored({"a": count}, {}, {}))
    assert found.message == f"{said} stored, and nothing in the app reads {'it' if count == 1 else 'them'}."


TABLES = """
@event("order.placed")
class Placed: ...


orders = Projection("orders", schema="create table orders (id text primary key, n int)")
others = Projection("others", schema='create table "set" (id text); create table placed (id text); create table "of" (id text)')


@orders.on(Placed)
def placed(e: Recorded[Placed]) -> Iterator[Statement]:
    yield sql(%r)


@others.on(Placed)
def noted(e: Recorded[Placed]) -> Iterator[Statement]:
    yield sql("insert into placed values ('1')")


app = App(orders, others)
"""


@pytest.mark.parametrize(
    "text",
    [
        "insert into orders values ('1', 1) on conflict (id) do update set n = 2",
        "insert into orders select id, extract(day from placed) from orders",
        "update orders set n = 1 where substring(id from placed) = trim(both from placed)",
        "select id from orders where n is distinct from placed for update of orders",
        "select id from orders for no key update of orders",
    ],
)
def test_a_word_that_names_no_table_there_is_none(text: str, app_of: Callable[[str], App]) -> None:
    assert review(app_of(TABLES % text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "update placed set id = '1'",
        "insert into orders select id, 1 from placed",
        "select (select max(id) from placed) from orders",
        "with gone as (delete from placed returning id) insert into orders select id, 1 from gone",
        "select extract(day from n) from placed",
        "update orders set n = 1 from placed where orders.id = placed.id",
        "select 1 from orders join placed using (id)",
        'select 1 from "set"',
    ],
)
def test_a_table_of_another_projection_is_one_wherever_it_stands(text: str, app_of: Callable[[str], App]) -> None:
    (found,) = review(app_of(TABLES % text))
    assert found.rule == "ES073"
