"""`refold upcast check`: every stored event is read with the classes of today, and what cannot be is counted and named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.cli.shop import PROGRAM

from refold import RawEvent, Store

TODAY = (
    PROGRAM.replace("sql, undoes,\n", "sql, undoes, upcast, move,\n", 1)
    .replace(
        '@event("cart.item-added")',
        '@upcast("cart.item-added", 1, to=2)\ndef boxed(data):\n    return {**data, "sku": "box-" + data["sku"]}\n\n\n'
        '@event("cart.item-added", version=2, upcasters=[boxed, move("cart.item-put", to="cart.item-added")])',
    )
)  # fmt: skip


@pytest.fixture(autouse=True)
def later(directory: Path) -> None:
    """The shop as it is later, with an event under an old name, and one that its upcaster cannot read."""
    (directory / "later.py").write_text(TODAY)
    with Store.open(f"sqlite:///{directory}/shop.db", events=[RawEvent]) as store:
        store.append("cart-c-2", [RawEvent("cart.item-put", {"sku": "b-3", "qty": 1})])


def broken(directory: Path) -> None:
    with Store.open(f"sqlite:///{directory}/shop.db", events=[RawEvent]) as store:
        store.append("cart-c-2", [RawEvent("cart.item-added", {"qty": 1}), RawEvent("cart.item-added", {"qty": 2})])


def test_every_event_of_the_apps_types_is_read_and_counted_by_type_and_version(refold: Run) -> None:
    code, out, err = refold("upcast", "check", "--app", "later:app", "--store", "shop.db")
    assert (code, out.splitlines()) == (
        0,
        [
            "cart.item-added\t1\t2\t0\tcart.item-added 2\t",
            "cart.item-put\t1\t1\t0\tcart.item-added 2\t",
            "cart.noted\t1\t1\t0\tcart.noted 1\t",
        ],
    )
    assert err == "4 events read, 0 cannot be. Passed over: 3 events of 3 types without a class (--all counts them).\n"


def test_what_cannot_be_read_is_counted_and_the_first_is_named(refold: Run, directory: Path) -> None:
    broken(directory)
    code, out, _ = refold("upcast", "check", "--app", "later:app", "--store", "shop.db", "--output", "json")
    added = json.loads(out)["data"][0]
    assert (code, added["events"], added["failures"], added["first"]) == (1, 4, 2, 8)
    assert "upcaster 'cart.item-added' 1 -> 2 raised KeyError: 'sku'" in added["error"]


def test_with_all_a_type_without_a_class_is_a_failure(refold: Run) -> None:
    code, out, err = refold("upcast", "check", "--app", "later:app", "--store", "shop.db", "--all")
    assert (code, err) == (1, "4 events read, 3 cannot be.\n")
    assert "payment.asked\t1\t1\t1\t\tevent type 'payment.asked' of stream 'payment-1'" in out


def test_a_new_version_without_an_upcaster_is_found(refold: Run, directory: Path) -> None:
    (directory / "careless.py").write_text(PROGRAM.replace('@event("cart.noted")', '@event("cart.noted", version=2)'))
    code, out, _ = refold("upcast", "check", "--app", "careless:app", "--store", "shop.db")
    assert (code, "it takes @upcast('cart.noted', 1, to=2)" in out) == (1, True)


def test_without_an_application_there_are_no_classes_to_read_with(refold: Run) -> None:
    code, _, err = refold("upcast", "check", "--store", "shop.db")
    assert (code, err) == (
        2,
        "refold: which classes? Name the application that has them: --app module:name, or REFOLD_APP.\n",
    )
