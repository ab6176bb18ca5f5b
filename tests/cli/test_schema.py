"""The lock file from the command line: written, checked, compared with files, revisions and stores; schemas shown, exported."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.cli.shop import PROGRAM, Outcome

from refold import RawEvent, Store
from refold.cli.exits import Exit

DRIFTED = PROGRAM.replace("    qty: int\n", "    count: int\n").replace("event.qty", "event.count")
NOTED_TWICE = PROGRAM.replace(
    '@event("cart.noted")\nclass Noted:\n    sku: None\n',
    '@event("cart.noted", version=2, upcasters=[upcast("cart.noted", 1, to=2)(drop("sku"))])\nclass Noted:\n',
).replace("from refold import", "from refold.upcasting import drop, upcast\nfrom refold import", 1)
WIDER = PROGRAM.replace("    note: str\n", "    note: str\n    stars: int = 0\n")

PROGRAMS = {"shop_drifted": DRIFTED, "shop_bumped": NOTED_TWICE, "shop_wider": WIDER}


@pytest.fixture(autouse=True)
def programs(directory: Path) -> None:
    for name, text in PROGRAMS.items():
        assert text != PROGRAM
        (directory / f"{name}.py").write_text(text)


@pytest.fixture
def schema(refold: Run) -> Run:
    """Runs `refold schema` on the shop, or on another program."""

    def run(*args: str, app: str = "shop") -> Outcome:
        return refold("schema", *args, "--app", f"{app}:app")

    return run


@pytest.fixture
def locked(schema: Run, directory: Path) -> Path:
    assert schema("lock").code == Exit.OK
    return directory / "events.lock.json"


def rows(done: Outcome) -> Sequence[tuple[str, str, str]]:
    return [(row["verdict"], row["event"], row["field"]) for row in json.loads(done.out)["data"]]


def test_a_lock_is_written_once_and_then_up_to_date(schema: Run, directory: Path) -> None:
    first, second = schema("lock"), schema("lock")
    assert (first.code, first.out, first.err) == (0, "", "events.lock.json was written: 3 events in 3 versions.\n")
    assert second.err == "events.lock.json is up to date: 3 events in 3 versions.\n"
    assert [path.name for path in directory.glob("*.lock.json*")] == ["events.lock.json"]
    assert schema("lock", "--check", "--complete") == (0, "", "no findings: 3 events in 3 versions.\n")


def test_drift_fails_a_check_and_is_not_written(schema: Run, locked: Path) -> None:
    before = locked.read_text()
    done = schema("lock", "--check", app="shop_drifted")
    assert done.code == Exit.FINDINGS
    assert [line.split("\t")[:4] for line in done.out.splitlines()] == [
        ["needs an upcaster", "cart.item-added@1", "qty", "renamed to count"],
        ["needs an upcaster", "cart.item-removed@1", "qty", "renamed to count"],
    ]
    assert "write an upcaster from 1" in done.out
    assert done.err == "2 findings.\n"
    assert schema("lock", app="shop_drifted").err == "2 findings: events.lock.json was not written.\n"
    assert locked.read_text() == before


def test_what_no_store_holds_is_accepted_by_name(schema: Run, locked: Path) -> None:
    accept = ("--accept", "cart.item-added", "--accept", "cart.item-removed@1")
    assert schema("lock", *accept, app="shop_drifted").code == Exit.OK
    assert schema("lock", "--check", "--complete", app="shop_drifted").code == Exit.OK


def test_what_is_added_is_noted_and_only_a_complete_check_fails(schema: Run, locked: Path) -> None:
    done = schema("lock", "--check", app="shop_wider")
    assert (done.code, done.out) == (Exit.OK, "")
    assert done.err == (
        "note: cart.noted@1 stars: added, with a default\n"
        "no findings: 3 events in 3 versions; to be taken in: run `refold schema lock`, and commit events.lock.json.\n"
    )
    assert schema("lock", "--check", "--complete", app="shop_wider").code == Exit.FINDINGS
    schema("lock", app="shop_wider")
    assert schema("lock", "--check", "--complete", app="shop_wider").code == Exit.OK


def test_a_check_needs_a_lock(schema: Run, directory: Path) -> None:
    done = schema("lock", "--check")
    assert (done.code, done.err) == (
        Exit.NOT_FOUND,
        "refold: there is no lock file 'events.lock.json' yet: `refold schema lock` writes it.\n",
    )


@pytest.mark.parametrize(
    "args", [("--check", "--accept", "cart.noted"), ("--check", "--retire", "cart.noted"), ("--complete",)]
)
def test_options_that_contradict_each_other_are_refused(schema: Run, args: Sequence[str]) -> None:
    assert schema("lock", *args).code == Exit.USAGE


def test_a_lock_cannot_be_written_where_there_is_no_directory(schema: Run) -> None:
    assert schema("lock", "--file", "nowhere/events.lock.json").code == Exit.USAGE


def test_an_application_is_needed(refold: Run, directory: Path) -> None:
    assert refold("schema", "lock").code == Exit.USAGE


def test_a_new_version_is_told_field_by_field(schema: Run, locked: Path) -> None:
    done = schema("diff", "--output", "json", app="shop_bumped")
    assert (done.code, rows(done)) == (
        Exit.OK,
        [
            ("ok", "cart.noted@2", ""),
            ("ok", "cart.noted@1", "(upcaster)"),
            ("ok", "cart.noted@1 -> 2", "sku"),
        ],
    )


def test_a_lock_is_compared_with_another_file(schema: Run, locked: Path) -> None:
    locked.rename(locked.with_name("old.json"))
    done = schema("diff", "--against", "old.json", "--output", "json", app="shop_drifted")
    assert (done.code, rows(done)) == (
        Exit.FINDINGS,
        [("needs an upcaster", "cart.item-added@1", "qty"), ("needs an upcaster", "cart.item-removed@1", "qty")],
    )


def test_a_lock_is_compared_with_a_revision(schema: Run, locked: Path, directory: Path) -> None:
    for command in (
        ["init", "-q"],
        ["add", "events.lock.json"],
        ["-c", "user.name=ada", "-c", "user.email=ada@localhost", "commit", "-qm", "locked"],
    ):
        subprocess.run(["git", *command], cwd=directory, check=True)
    schema("lock", app="shop_wider")
    assert rows(schema("diff", "--output", "json", app="shop_wider")) == []
    done = schema("diff", "--against", "HEAD", "--output", "json", app="shop_wider")
    assert (done.code, rows(done)) == (Exit.OK, [("ok", "cart.noted@1", "stars")])
    lost = schema("diff", "--against", "HEAD~9", app="shop_wider")
    assert (lost.code, "'HEAD~9' is no file, no store, and no revision" in lost.err) == (Exit.NOT_FOUND, True)


def test_an_application_is_compared_with_what_a_store_holds(schema: Run, locked: Path) -> None:
    done = schema("diff", "--against", "shop.db", "--output", "json", app="shop_bumped")
    assert (done.code, rows(done)) == (
        Exit.OK,
        [
            ("ok", "cart.item-added@1", ""),
            ("ok", "cart.noted@1", ""),
            ("ok", "order.paid@1", "(class)"),
            ("ok", "order.placed@1", "(class)"),
            ("ok", "payment.asked@1", "(class)"),
        ],
    )
    assert rows(schema("diff", "--against", "shop.db", "--output", "json", app="shop_drifted"))[:1] == [
        ("needs an upcaster", "cart.item-added@1", "")
    ]


def test_what_a_store_holds_of_other_shapes_is_found(schema: Run, locked: Path) -> None:
    with Store.open("sqlite:///shop.db", events=[RawEvent]) as store:
        store.append("cart-c-2", [RawEvent("cart.noted", {"sku": None, "note": "a", "by": "bob"})])
        store.append("cart-c-2", [RawEvent("cart.noted", {"note": "b"}, version=3)])
    done = schema("diff", "--against", "sqlite:///shop.db", "--output", "json", app="shop")
    assert rows(done)[:3] == [
        ("ok", "cart.item-added@1", ""),
        ("needs an upcaster", "cart.noted@1", "by"),
        ("needs an upcaster", "cart.noted@3", "(version)"),
    ]


def test_a_table_has_room_for_what_to_do(schema: Run, locked: Path) -> None:
    done = schema("diff", "--output", "table", app="shop_drifted")
    assert done.out.startswith(
        "needs an upcaster cart.item-added@1 qty\n    renamed to count.\n    Give cart.item-added "
    )


def test_a_schema_is_shown_as_it_is_and_as_it_was(schema: Run, locked: Path) -> None:
    now = json.loads(schema("show", "cart.noted", app="shop_bumped").out)
    was = json.loads(schema("show", "cart.noted@1", "--output", "json", app="shop_bumped").out)
    assert (now["title"], [*now["properties"]], [*was["properties"]]) == ("Noted", ["note"], ["note", "sku"])


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (
            "cart.notde",
            "there is no event 'cart.notde' in the application, or in 'events.lock.json'. Is it 'cart.noted'?",
        ),
        ("cart.noted@7", "there is no cart.noted@7: known versions are 1."),
    ],
)
def test_a_schema_that_is_not_there_is_not_found(schema: Run, named: str, said: str) -> None:
    assert schema("show", named) == (Exit.NOT_FOUND, "", f"refold: {said}\n")


def test_documents_are_written_and_not_over_others(schema: Run, directory: Path) -> None:
    export = ("export", "api.json", "--format", "asyncapi", "--title", "Shop", "--version", "3")
    assert schema(*export).code == Exit.OK
    assert json.loads((directory / "api.json").read_text())["info"] == {"title": "Shop", "version": "3"}
    assert schema(*export).code == Exit.REFUSED
    assert schema(*export, "--yes").code == Exit.OK
    assert [*json.loads(schema("export").out)["$defs"]] == ["cart.item-added@1", "cart.item-removed@1", "cart.noted@1"]
    assert schema("export", "events.lock.json").code == Exit.USAGE
