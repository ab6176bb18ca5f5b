"""Saved states by the command line: taken, held against all events, dropped; and what it says when they are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import apsw
from tests.archive.books import write_books
from tests.cli.conftest import Run

from refold import RawEvent, Store

APP = ("--app", "shop:app", "--store", "shop.db")


def test_states_are_saved_checked_and_dropped(refold: Run) -> None:
    assert refold("snapshots", "create", "cart", *APP).out == "saved 1 state of cart.\n"
    assert refold("snapshots", "create", "cart-c-1", "--at", "1", *APP).out == "saved 1 state of cart-c-1.\n"
    done = refold("snapshots", "verify", "cart", *APP)
    assert (done.code, done.out, done.err) == (0, "", "2 snapshots of cart are sound, 0 not.\n")
    shown = refold("snapshots", "drop", "cart", "--dry-run", *APP)
    assert (shown.out, shown.err) == ("", "the snapshots of cart are dropped; loads are the same without.\n")
    assert refold("snapshots", "drop", "cart-c-1", "--yes", *APP).out == "dropped 2 snapshots.\n"
    assert refold("snapshots", "drop", "cart", "--outdated", "--yes", *APP).out == "dropped 0 snapshots.\n"


def test_a_damaged_one_is_a_finding(refold: Run, directory: Path) -> None:
    refold("snapshots", "create", "cart", *APP)
    db = apsw.Connection(str(directory / "shop.db"))
    db.execute("update refold_snapshots set state = x'7b7d' where stream = 'cart-c-1'")
    db.close()
    done = refold("snapshots", "verify", "cart", *APP, "--output", "json")
    assert done.code == 1
    (found,) = json.loads(done.out)["data"]
    assert (found["stream"], found["verdict"]) == ("cart-c-1", "damaged")


def test_one_by_an_older_version_of_the_fold_is_listed_and_no_finding(refold: Run, directory: Path) -> None:
    refold("snapshots", "create", "cart-c-1", *APP)
    db = apsw.Connection(str(directory / "shop.db"))
    db.execute("update refold_snapshots set fingerprint = 'of old'")
    db.close()
    done = refold("snapshots", "verify", "cart-c-1", *APP)
    assert done.code == 0
    assert done.out.split("\t")[2] == "outdated"
    assert refold("snapshots", "drop", "cart", "--outdated", "--yes", *APP).out == "dropped 1 snapshot.\n"


def test_what_is_not_there_is_told(refold: Run, directory: Path) -> None:
    assert refold("snapshots", "create", "cart-c-99", *APP).code == 3
    assert refold("snapshots", "create", "order", *APP).code == 3
    assert refold("snapshots", "create", "cart", "--store", "shop.db").code == 2
    assert refold("snapshots", "create", "cart", "--app", "shop:app", "--store", "none.db").code == 5
    assert not (directory / "none.db").exists()


def test_streams_that_had_not_come_so_far_are_passed_over_and_told(refold: Run) -> None:
    with Store.open("sqlite:///shop.db", events=[RawEvent]) as store:
        for stream, count in (("cart-a", 1), ("cart-b", 2), ("cart-d", 3)):
            store.append(stream, [RawEvent("cart.item-added", {"sku": "b", "qty": 1})] * count)
    told = "passed over: 2 streams that had not come so far.\n"
    assert refold("snapshots", "create", "cart", "--at", "3", *APP) == (0, "saved 2 states of cart.\n", told)
    assert refold("snapshots", "create", "cart-a", "--at", "3", *APP).err == (
        "refold: stream 'cart-a' has no version 3: it is at version 1.\n"
    )
    assert refold("snapshots", "create", "cart", "--at", "4", *APP).code == 3
    assert refold("snapshots", "drop", "cart", "--yes", *APP).out == "dropped 2 snapshots.\n"


def test_those_of_archived_streams_are_listed_and_no_finding(refold: Run, directory: Path) -> None:
    write_books("sqlite:///books.db", 2, "a")
    (directory / "library.py").write_text(
        "from refold import App\nfrom refold.testing.contract.closing import books\napp = App(books)\n"
    )
    app = ("--app", "library:app", "--store", "books.db")
    assert refold("snapshots", "create", "book", *app).out == "saved 3 states of book.\n"
    assert refold("archive", "create", "old", "--store", "books.db", "--older-than", "0s").code == 0
    done = refold("snapshots", "verify", "book", *app)
    assert (done.code, [line.split("\t")[:3] for line in done.out.splitlines()]) == (
        0,
        [["book-a", "2", "archived"], ["book-a@2", "3", "archived"]],
    )
    assert done.err == "1 snapshot of book is sound, 2 not.\n"
