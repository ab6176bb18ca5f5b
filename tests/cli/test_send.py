"""Commands sent by the command line: tried out, done once, refused, and what it says when something is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run

APP = ("--app", "shop:app", "--store", "shop.db")
DATA = '{"sku": "b-1", "pieces": 2}'
ADD = ("send", "cart-new", "cart.add", DATA)
ADDED = {"type": "cart.item-added", "data": {"sku": "b-1", "qty": 2}}
FORM = {
    "stream": "cart-new",
    "version": 1,
    "events": [ADDED],
    "state": {"items": 2},
    "appended": True,
    "repeated": False,
}


def test_what_a_command_leads_to_is_appended_and_shown(refold: Run) -> None:
    done = refold(*ADD, *APP, "--actor", "Ada", "--output", "json")
    assert (done.code, json.loads(done.out), done.err) == (0, FORM, "")
    (event,) = json.loads(refold("show", "cart-new", "--store", "shop.db", "--output", "json").out)["data"]
    assert (event["type"], event["metadata"]["actor"]) == ("cart.item-added", "Ada")


def test_for_people_it_is_lines(refold: Run) -> None:
    assert refold(*ADD, *APP, "--output", "table").out == (
        'cart.item-added {"sku":"b-1","qty":2}\ncart-new@1: appended.\n'
    )


def test_tried_out_nothing_is_appended(refold: Run) -> None:
    done = refold(*ADD, *APP, "--dry-run", "--output", "json")
    assert json.loads(done.out) == FORM | {"version": 0, "appended": False}
    assert refold("show", "cart-new", "--store", "shop.db").code == 3


def test_with_a_key_it_is_done_once(refold: Run) -> None:
    first, again = (json.loads(refold(*ADD, *APP, "--key", "k", "--output", "json").out) for _ in range(2))
    assert (first, again) == (FORM, FORM | {"repeated": True})


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_what_the_decider_refuses_is_told_and_not_appended(refold: Run, option: tuple[str, ...]) -> None:
    done = refold("send", "cart-new", "cart.add", '{"sku": "b-1", "pieces": 11}', *APP, *option)
    assert (done.code, done.out) == (7, "")
    assert done.err == "refold: the decider refuses cart.add: Full: 0 are in it. Nothing was appended.\n"


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("cart-1", "cart.add", "{}", *APP), 2, "the data do not fit 'cart.add'"),
        (
            ("cart-1", "cart.add", '{"sku": "b", "peices": 1}', *APP),
            2,
            "the data do not fit 'cart.add': it has no 'peices'.",
        ),
        (
            ("cart-1", "cart.add", '{"sku": "b", "pieces": 1, "foo": 1}', *APP),
            2,
            "the data do not fit 'cart.add': it has no 'foo'.",
        ),
        (("cart-1", "cart.empty", "{}", *APP), 3, "it takes cart.add"),
        (("till-1", "cart.add", DATA, *APP), 3, "no decider of 'till': it has cart"),
        (("cart-1", "cart.add", DATA, "--store", "shop.db"), 2, "which deciders? Name the application"),
        (("cart-1", "cart.add", DATA, "--app", "shop:app", "--store", "none.db"), 5, "none.db"),
    ],
)
def test_what_cannot_be_is_told_with_the_way_out(refold: Run, args: tuple[str, ...], code: int, said: str) -> None:
    done = refold("send", *args)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


def test_a_command_to_a_thing_whose_books_are_closed_is_left_to_a_program(refold: Run) -> None:
    told = "from refold import App\nfrom refold.testing.contract.closing import closing\napp = App(closing)\n"
    Path("books.py").write_text(told, encoding="utf-8")
    done = refold("send", "book-a", "book.write", '{"amount": 1}', "--app", "books:app", "--store", "shop.db")
    assert (done.code, done.out) == (2, "")
    assert "the books of 'book' are closed now and then" in done.err
