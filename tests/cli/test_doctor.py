"""The doctor: what is well is said to be well, and each thing that is wrong is found, with the way out."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import pytest
from tests.cli.conftest import Run
from tests.cli.shop import PROGRAM, Outcome

from refold import Projection, RawEvent, Store
from refold.cli.diagnosis import EXTRAS
from refold.cli.exits import Exit
from refold.testing import ManualClock

MAKE = "`refold migrate --store` makes one, or whoever appends."


class Found(NamedTuple):
    check: str
    what: str
    do: str


def examined(refold: Run, *args: str, store: str = "shop.db") -> Sequence[dict[str, str]]:
    done = refold("doctor", "--store", store, *args, "--output", "json")
    checks: list[dict[str, str]] = json.loads(done.out)["data"]
    is_ill = any(each["verdict"] == "finding" for each in checks)
    assert done.code == (Exit.FINDINGS if is_ill else Exit.OK), done
    return checks


def found(refold: Run, *args: str, store: str = "shop.db") -> Sequence[Found]:
    checks = examined(refold, *args, store=store)
    return [Found(each["check"], each["what"], each["do"]) for each in checks if each["verdict"] == "finding"]


@pytest.fixture
def shop(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The shop's code."""
    monkeypatch.syspath_prepend(directory)
    return import_module("shop")


def opened(directory: Path, clock: ManualClock | None = None) -> Store:
    return Store.open(f"sqlite:///{directory}/shop.db", events=[RawEvent], clock=clock)


NOTE = RawEvent("cart.noted", {"sku": None, "note": "hello"})


def test_a_store_that_is_well_has_no_findings(refold: Run) -> None:
    assert [(each["check"], each["verdict"], each["do"]) for each in examined(refold)] == [
        (check, "ok", "")
        for check in (
            "versions",
            "extras",
            "format",
            "store",
            "durability",
            "clock",
            "disk",
            "read models",
            "processes",
        )
    ]


@pytest.mark.parametrize("command", ["doctor", "review"])
def test_what_is_summed_up_comes_after_what_was_found_also_where_both_go_into_one_pipe(
    refold: Run, directory: Path, command: str
) -> None:
    args = (command, "--app", "shop:app", "--store", "shop.db")
    program = [sys.executable, "-m", "refold", *args]
    both = subprocess.run(
        program, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    apart = refold(*args)
    assert both.stdout == apart.out + apart.err


def test_every_extra_that_there_is_is_looked_for() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {*EXTRAS} == {*project["optional-dependencies"]} - {"all"}


def test_without_a_store_the_installation_alone_is_looked_at(refold: Run) -> None:
    done = refold("doctor")
    assert [line.split("\t")[:2] for line in done.out.splitlines()] == [["versions", "ok"], ["extras", "ok"]]
    assert (done.code, done.err) == (Exit.OK, "2 checks, 0 findings.\n")


def test_a_terminal_is_given_sentences(refold: Run) -> None:
    done: Outcome = refold("doctor", "--store", "shpo.db", "--output", "table")
    assert (done.code, done.out.splitlines()[2:]) == (
        Exit.FINDINGS,
        [
            f"finding  store: there is no store at 'shpo.db': check the path. {MAKE}",
            "         Put that right, and ask again.",
        ],
    )


@pytest.mark.parametrize(
    ("store", "word"),
    [
        ("shpo.db", "there is no store"),
        ("log.csv", "not a SQLite database"),
        ("postgresql://ada:secret@127.0.0.1:1/shop?busy_timeout=0.1", "127.0.0.1"),
    ],
)
def test_a_store_that_cannot_be_reached_is_a_finding(refold: Run, store: str, word: str) -> None:
    ((check, what, _),) = found(refold, store=store)
    assert (check, word in what, "secret" in what) == ("store", True, False), what


def test_an_old_format_is_found(refold: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from refold.migration import Migration  # noqa: PLC0415

    monkeypatch.setattr("refold.cli.diagnosis.migration", lambda url: Migration(url, 3, 6, ("create ...",)))
    assert [(each.check, each.what) for each in found(refold)] == [
        ("format", "the store has format 3, this Refold's newest is 6")
    ]


def test_a_format_of_the_future_is_found(refold: Run, directory: Path) -> None:
    apsw.Connection(f"{directory}/shop.db").pragma("user_version", 99)
    assert [each.check for each in found(refold)] == ["store"]


def test_events_that_may_be_lost_are_found(refold: Run) -> None:
    ((check, what, _),) = found(refold, store="sqlite:///shop.db?durability=best-effort")
    assert (check, what.startswith("best-effort")) == ("durability", True)


def test_a_clock_that_is_behind_is_found(refold: Run, directory: Path) -> None:
    with opened(directory, ManualClock(datetime.now(UTC) + timedelta(hours=1))) as store:
        store.append("cart-1", [NOTE])
    ((check, what, _),) = found(refold)
    assert (check, "ahead of this machine's clock" in what) == ("clock", True)


def test_a_disk_that_is_nearly_full_is_found(refold: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=1_000_000))
    ((check, what, _),) = found(refold)
    assert (check, what.startswith("1 MB free")) == ("disk", True)


def test_read_models_that_do_not_get_on_are_found(refold: Run, directory: Path, shop: Any) -> None:
    with opened(directory, ManualClock(datetime.now(UTC) - timedelta(days=1))) as store:
        store.catch_up(late := Projection("late", schema="create table late (x)"))
        store.append("cart-1", [NOTE])
        store.catch_up(shop.carts)
        store.model(shop.carts).pause("by hand")
        assert store.model(late).status().lag == 1
    assert refold("run", "--once", "--only", "notes", "--app", "shop:app", "--store", "shop.db").code == Exit.FINDINGS
    assert found(refold) == [
        Found("read models", "carts is paused: by hand", "`refold projections resume carts` when the reason is gone."),
        Found(
            "read models", "late is 1 event behind, and nobody works on it",
            "Start `refold run`, or look at the log of the one that runs.",
        ),
        Found(
            "read models", "notes could not apply 1 event of 1 key", "`refold dead-letters list notes` tells why.",
        ),
    ]  # fmt: skip


def test_read_models_in_another_database_are_looked_at_too(refold: Run) -> None:
    assert refold("run", "--once", "--app", "shop:app", "--store", "shop.db", "--into", "reports.db").code == 1
    assert [each.what for each in found(refold, "--into", "reports.db")] == ["notes could not apply 1 event of 1 key"]
    assert found(refold) == []
    assert refold("run", "--once", "--app", "shop:app", "--store", "shop.db", "--only", "carts").code == Exit.OK
    assert refold("projections", "pause", "carts", "--store", "shop.db").code == Exit.OK
    assert [each.what.split()[0] for each in found(refold, "--into", "reports.db")] == ["notes", "carts"]


def test_read_models_that_the_application_has_otherwise_are_found(refold: Run, directory: Path) -> None:
    assert [each.what for each in found(refold, "--app", "shop:app")] == [
        "carts was never begun", "notes was never begun",
    ]  # fmt: skip
    assert refold("run", "--once", "--app", "shop:app", "--only", "carts", "--store", "shop.db").code == Exit.OK
    (directory / "newer.py").write_text(PROGRAM.replace('Projection("carts", ', 'Projection("carts", version=2, '))
    shown = found(refold, "--app", "newer:app")
    assert [each.what for each in shown] == [
        "carts is built by version 1, the application has 2", "notes was never begun",
    ]  # fmt: skip
    assert [each.check for each in found(refold, "--app", "nowhere:app")] == ["application"]


def test_processes_that_are_stuck_are_found(refold: Run, directory: Path) -> None:
    with opened(directory) as store:
        store.append("cart-c-1", [RawEvent("cart.noted", {"sku": None, "note": "unreadable"})])
    assert refold("run", "--once", "--app", "shop:desk", "--store", "shop.db").code == Exit.FINDINGS
    ((check, what, do),) = found(refold)
    assert (check, what.startswith("1 of reminders stuck, c-1 first")) == ("processes", True), what
    assert do == "`refold processes list --stuck --process reminders` lists them."


def test_it_only_reads(refold: Run, directory: Path) -> None:
    before = {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
    assert examined(refold)
    assert {name: (directory / name).read_bytes() for name in before} == before
