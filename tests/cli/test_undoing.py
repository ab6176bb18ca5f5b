"""Undo and redo from the command line: the plan is shown, and what is in the way is told."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from tests.cli.conftest import Run
from tests.cli.shop import Outcome, id_of

from refold import RawEvent, Store

PLAN = 'undo cart-c-1@2 (cart.item-added)\n  append cart.item-removed {"sku":"b-2","qty":1}\n'


def shop(refold: Run, *args: str) -> Outcome:
    return refold(*args, "--app", "shop:app", "--store", "shop.db")


def head() -> int:
    with Store.open("sqlite:///shop.db?mode=ro") as store:
        return store.head()


def test_an_event_is_undone_and_redone(refold: Run) -> None:
    assert shop(refold, "undo", "cart-c-1@2", "--actor", "ada", "--yes") == (
        0,
        "undone: 1 event, by 1 event more.\n",
        PLAN,
    )
    assert refold("state", "cart-c-1", "--app", "shop:app", "--store", "shop.db").out.endswith("/items\t2\n")

    done = shop(refold, "redo", str(id_of(2)), "--yes")
    assert (done.code, done.out) == (0, "redone: 1 event, by 1 event more.\n")
    assert done.err == 'redo cart-c-1@2 (cart.item-added)\n  append cart.item-added {"sku":"b-2","qty":1}\n'

    with Store.open("sqlite:///shop.db", events=[RawEvent]) as store:
        undone, redone = store.read("cart-c-1", after=3)
    assert [(e.metadata.causation_id, e.metadata.actor, e.metadata.free) for e in (undone, redone)] == [
        (str(id_of(2)), "ada", {"$undoes": str(id_of(2))}),
        (str(id_of(2)), None, {"$redoes": str(id_of(2))}),
    ]


@pytest.mark.parametrize("option", ["--plan", "--dry-run"])
def test_a_plan_is_only_shown(refold: Run, option: str) -> None:
    assert shop(refold, "undo", "#2", option) == (0, "", PLAN)
    assert head() == 6


def test_nothing_is_done_where_nobody_can_be_asked(refold: Run) -> None:
    code, out, err = shop(refold, "undo", "#2")
    assert (code, out, err) == (7, "", PLAN + "refold: nothing was done: say --yes to do it without being asked.\n")
    assert head() == 6


@pytest.mark.parametrize("option", ["--yes", "--plan"])
def test_what_is_in_the_way_of_a_story_is_told_with_exit_code_7(refold: Run, option: str) -> None:
    assert shop(refold, "undo", "--correlation", "c-1", option) == (
        7,
        "",
        (
            "in the way: cart-c-1@3 (cart.noted): fold 'cart' declares no inverse of it: @undoes(Noted)\n"
            "refold: 1 thing stood in the way. Nothing was appended.\n"
        ),
    )
    assert head() == 6


def test_what_the_application_says_is_told(refold: Run) -> None:
    with Store.open("sqlite:///shop.db") as store:
        store.append("cart-c-1", [RawEvent("cart.item-removed", {"sku": "b-1", "qty": 2})])
    code, _, err = shop(refold, "undo", "cart-c-1@1", "--plan")
    assert (code, err.partition("\n")[0]) == (7, "in the way: cart-c-1@1 (cart.item-added): only 1 are left")


def test_a_trace_shows_what_was_undone(refold: Run) -> None:
    shop(refold, "undo", "cart-c-1@2", "--yes")
    lines = refold("trace", "c-1", "--store", "shop.db", "--output", "plain").out.splitlines()
    assert [line.split("  #")[0] for line in lines][1:3] == [
        "cart.item-added  cart-c-1@2",
        "  cart.item-removed  undoes it  cart-c-1@4",
    ]


@pytest.mark.parametrize(
    ("args", "code", "error"),
    [
        (["undo", "cart-c-1@9", "--yes"], 3, "stream 'cart-c-1' has no version 9: it is at version 3."),
        (
            ["undo", "cart-c-1", "--yes"],
            3,
            "there is no event 'cart-c-1': write STREAM@VERSION, '#POSITION', or its id.",
        ),
        (["redo", "#2", "--yes"], 7, "1 thing stood in the way. Nothing was appended."),
        (["undo", "--yes"], 2, "name events, or a story with --correlation, and not both."),
        (["redo", "#2", "--correlation", "c-1"], 2, "name events, or a story with --correlation, and not both."),
    ],
)
def test_what_cannot_be_is_told(refold: Run, args: list[str], code: int, error: str) -> None:
    done = shop(refold, *args)
    assert (done.code, done.out, error in done.err.replace("\n", " ")) == (code, "", True), done


def test_without_an_application_nothing_is_known_of_inverses(refold: Run, directory: Path) -> None:
    done = refold("undo", str(UUID(int=1)), "--store", "shop.db")
    assert (done.code, "--app is missing" in done.err) == (2, True)
    gone = refold("undo", "#1", "--app", "shop:app", "--store", "gone.db")
    assert (gone.code, (directory / "gone.db").exists()) == (5, False)
