"""Scheduled commands by the command line: set, listed, removed; and what it says when something is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from refold import RawEvent, Store, schedules

APP = ("--app", "shop:app", "--store", "shop.db")
ADD = ("schedules", "add")
DATA = '{"sku": "b-1", "pieces": 1}'


def test_a_command_is_scheduled_listed_and_removed(refold: Run) -> None:
    done = refold(*ADD, "gift", "cart-c-1", "cart.add", DATA, "--at", "2030-12-24", "--actor", "Ada", *APP)
    assert (done.code, done.err) == (0, "")
    assert done.out == "gift: cart.add to cart-c-1, next at 2030-12-24 00:00:00 UTC.\n"
    assert refold("schedules", "list", "--store", "shop.db").out.split("\t") == [
        "gift", "2030-12-24T00:00:00Z", "once", "UTC", "once", "cart.add", "cart-c-1", '{"sku":"b-1","pieces":1}\n',
    ]  # fmt: skip
    assert refold("schedules", "remove", "gift", "--store", "shop.db").out == "gift sends nothing any more.\n"
    gone = refold("schedules", "list", "--store", "shop.db", "--output", "table")
    assert (gone.code, gone.out, gone.err) == (0, "", "nothing is scheduled.\n")
    again = refold("schedules", "remove", "gift", "--store", "shop.db")
    assert (again.code, again.err) == (
        3, "refold: nothing is scheduled as 'gift': see refold schedules list.\n"
    )  # fmt: skip


def test_it_is_set_in_somebodys_name_and_sent_by_the_application(refold: Run, directory: Path) -> None:
    refold(*ADD, "gift", "cart-c-9", "cart.add", DATA, "--at", "2020-01-01", "--actor", "Ada", *APP)
    with Store.open(f"sqlite:///{directory}/shop.db", events=[RawEvent]) as store:
        (made,) = store.read("$schedule-gift")
        assert made.metadata.actor == "Ada"
        assert store.process(schedules).catch_up().timers == 1
        (sent,) = store.process(schedules).outgoing()
        assert (sent.receiver, sent.target, json.loads(sent.data)) == ("cart", "c-9", json.loads(DATA))
    assert refold("schedules", "list", "--store", "shop.db").out == ""


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("cart-c-1", "cart.add", "{}", "--at", "2030-01-01", *APP), 2, "the data do not fit 'cart.add'"),
        (("cart-c-1", "cart.empty", "{}", "--at", "2030-01-01", *APP), 3, "it takes cart.add"),
        (("till-1", "cart.add", DATA, "--at", "2030-01-01", *APP), 3, "no decider of 'till': it has cart"),
        (("cart", "cart.add", DATA, "--at", "2030-01-01", *APP), 2, "is not a stream name"),
        (("cart-c-1", "cart.add", DATA, *APP), 2, "one of the two"),
        (("cart-c-1", "cart.add", DATA, "--cron", "0 3 * *", *APP), 2, "has 4 fields"),
        (("cart-c-1", "cart.add", DATA, "--at", "soon", *APP), 2, "is not a time"),
        (("cart-c-1", "cart.add", DATA, "--at", "2030-01-01", "--store", "shop.db"), 2, "which deciders?"),
        (("cart-c-1", "cart.add", DATA, "--at", "2030-01-01", "--app", "shop:app", "--store", "no.db"), 5, "no.db"),
    ],
)
def test_what_cannot_be_scheduled_is_told(refold: Run, args: tuple[str, ...], code: int, said: str) -> None:
    done = refold(*ADD, "gift", *args)
    assert (done.code, said in done.err) == (code, True), done.err
    assert refold("schedules", "list", "--store", "shop.db").out == ""
