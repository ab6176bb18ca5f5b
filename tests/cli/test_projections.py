"""Read models from the command line: run, watched, steered, rebuilt, compared, mended; and nothing is removed unasked."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO

import click
import pytest
from tests.cli.conftest import CaughtUp, Run
from tests.cli.shop import PROGRAM, Outcome
from tests.faults.processes import until

from refold import NewEvent, RawEvent, Store
from refold.cli import consent
from refold.cli.exits import Exit

SECOND = PROGRAM.replace('Projection("carts", tables', 'Projection("carts", version=2, tables')
DOUBLED = ".data.qty * 2))"

PROGRAMS = {
    "shop_v2": SECOND,
    "shop_doubling": SECOND.replace(".data.qty))", DOUBLED),
    "shop_changed": PROGRAM.replace(".data.qty))", DOUBLED),
    "shop_lenient": PROGRAM.replace('if "[" in e.data.note', 'if "never" in e.data.note'),
    "shop_interrupted": SECOND.replace(
        "def resize(e, size):", "def resize(e, size):\n    if e.data.sku == 'ctrl-c':\n        raise KeyboardInterrupt"
    ),
    "shop_slow": PROGRAM.replace("def resize(e, size):", "def resize(e, size):\n    import time\n    time.sleep(60)"),
    "shop_empty": 'from refold import App\n\napp = App()\nraise_it = "no"\n',
}


@pytest.fixture(autouse=True)
def programs(directory: Path) -> None:
    """The shop as it might be one day, beside the one that there is."""
    for name, text in PROGRAMS.items():
        (directory / f"{name}.py").write_text(text)


@pytest.fixture
def shop(refold: Run, caught_up: CaughtUp) -> Run:
    """Runs `refold` on the shop, whose read models are caught up."""

    def run(*args: str, app: str = "shop") -> Outcome:
        needs_app = args[0] == "run" or args[1] in {
            "rebuild",
            "verify",
            "audit",
            "reset",
            "repartition",
            "retry",
            "skip",
        }
        return refold(*args, *(("--app", f"{app}:app") if needs_app else ()), "--store", "shop.db")

    caught_up("shop:app", Exit.FINDINGS)
    return run


def rows(directory: Path, text: str) -> list[tuple[object, ...]]:
    with Store.open(f"sqlite:///{directory}/shop.db") as store:
        return [*store.query(text)]


def add(directory: Path, count: int, sku: str = "b-9") -> None:
    """More things put into cart 2."""
    with Store.open(f"sqlite:///{directory}/shop.db", events=[RawEvent]) as store:
        store.append("cart-c-2", [NewEvent(RawEvent("cart.item-added", {"sku": sku, "qty": 1})) for _ in range(count)])


def roles(shop: Run, name: str = "carts") -> list[tuple[int, int, str]]:
    """The number, version and role of each build."""
    listed = json.loads(shop("projections", "list", "--all", "--output", "json").out)["data"]
    return [(each["build"], each["version"], each["role"]) for each in listed if each["name"] == name]


# Run --------------------------------------------------------------------------


def test_once_catches_up_and_ends_with_where_it_is(refold: Run, directory: Path) -> None:
    done = refold("run", "--once", "--app", "shop:app", "--store", "shop.db", "--only", "carts")
    assert (done.code, done.err) == (0, "")
    assert done.out.split("\t")[:9] == ["carts", "1", "1", "active", "running", "6", "6", "0", ""]
    assert rows(directory, "select cart, items from sizes") == [("cart-c-1".removeprefix("cart-"), 3)]


def test_once_ends_with_1_where_events_could_not_be_applied(refold: Run) -> None:
    done = refold("run", "--once", "--app", "shop:app", "--store", "shop.db", "--output", "jsonl")
    told = [json.loads(line) for line in done.out.splitlines()]
    assert [(each["name"], each["position"], each["parked_keys"]) for each in told] == [
        ("carts", 6, 0),
        ("notes", 6, 1),
    ]
    assert (done.code, done.err) == (
        1, "refold: projection 'notes' could not apply some events: see refold dead-letters list notes.\n",
    )  # fmt: skip


def test_read_models_may_live_in_another_database(refold: Run, directory: Path) -> None:
    where = ("--store", "shop.db", "--into", "reports.db")
    assert refold("run", "--once", "--app", "shop:app", *where, "--only", "carts").code == 0
    with Store.open(f"sqlite:///{directory}/reports.db") as store:
        assert store.query("select items from sizes") == [(3,)]
    assert refold("projections", "list", *where).out.split("\t")[:2] == ["carts", "1"]
    assert refold("projections", "list", "--store", "shop.db").out == ""


TARGETS = """from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from refold.integrations.sqlalchemy import AsyncSessionTarget, SessionTarget
target = SessionTarget(create_engine("sqlite:///reports.db"))
awaiting = AsyncSessionTarget(create_async_engine("postgresql+psycopg://localhost/none"))
"""


def test_read_models_may_live_in_an_orm_that_the_application_names(refold: Run, directory: Path) -> None:
    (directory / "reports.py").write_text(TARGETS)
    where = ("--store", "shop.db", "--into", "reports:target")
    assert refold("run", "--once", "--app", "shop:app", *where, "--only", "carts").code == 0
    with closing(sqlite3.connect(directory / "reports.db")) as reports:
        assert reports.execute("select items from sizes").fetchall() == [(3,)]
    assert refold("projections", "list", *where).out.split("\t")[:2] == ["carts", "1"]


@pytest.mark.parametrize(
    ("into", "word"),
    [
        ("nowhere:target", "module 'nowhere' cannot be imported"), ("reports:engine", "no target"),
        ("reports:TARGETS", "no target"), ("reports:awaiting", "blocking"),
    ],
)  # fmt: skip
def test_what_is_no_target_is_told(refold: Run, directory: Path, into: str, word: str) -> None:
    (directory / "reports.py").write_text(TARGETS)
    done = refold("projections", "list", "--store", "shop.db", "--into", into)
    assert (done.code, f"--into '{into}'" in done.err, word in done.err) == (2, True, True), done


def test_a_new_version_is_built_beside_and_takes_its_place(shop: Run, directory: Path) -> None:
    assert shop("run", "--once", "--only", "carts", app="shop_doubling").code == 0
    assert (roles(shop), rows(directory, "select items from sizes")) == ([(1, 1, "retired"), (2, 2, "active")], [(6,)])


@pytest.mark.parametrize("once", [("--once",), ()])
def test_it_ends_with_7_when_another_version_is_active(shop: Run, once: tuple[str, ...]) -> None:
    assert shop("projections", "rebuild", "carts", app="shop_v2").code == 0
    done = shop("run", "--only", "carts", *once)
    assert (
        done.code,
        "projection 'carts' is not run here" in done.err,
        "by version 2, this is version 1" in done.err,
    ) == (7, True, True)


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        ([], 2, "which projections? Name the application that has them: --app module:name, or REFOLD_APP."),
        (["--app", "shop_empty:app"], 2, "the app has no projections: name them in it, App(..., my_projection)."),
        (["--app", "shop:app", "--only", "cats"], 3, "the app has no projection 'cats': it has carts, notes."),
    ],
)
def test_what_cannot_be_run_is_told(refold: Run, args: list[str], code: int, told: str) -> None:
    assert refold("run", "--once", "--store", "shop.db", *args) == (code, "", f"refold: {told}\n")


def test_a_mistyped_path_makes_no_store(refold: Run, directory: Path) -> None:
    done = refold("run", "--once", "--app", "shop:app", "--store", "shpo.db")
    assert (done.code, "there is no store at 'shpo.db'" in done.err, (directory / "shpo.db").exists()) == (
        5,
        True,
        False,
    )


class Process:
    """`refold ...` in a process of its own, read line by line."""

    def __init__(self, directory: Path, *args: str) -> None:
        command = [sys.executable, "-m", "refold", *args, "--store", "shop.db"]
        self.process = subprocess.Popen(
            command, cwd=directory, encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def out(self) -> str:
        return self._line(self.process.stdout)

    def err(self) -> str:
        return self._line(self.process.stderr)

    def until(self, pattern: str) -> str:
        """The next line of stdout that has a pattern in it."""
        while not re.search(pattern, line := self.out()):
            assert line, f"it ended before {pattern!r} came"
        return line

    @staticmethod
    def _line(pipe: IO[str] | None) -> str:
        assert pipe is not None
        return pipe.readline()

    def tell(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=120)  # as long as it takes on a busy machine
        return self.process.returncode, out, err


@pytest.fixture
def processes(directory: Path) -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


def start(processes: list[Process], directory: Path, *args: str) -> Process:
    processes.append(Process(directory, *args))
    return processes[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_until_it_is_told_to_stop(directory: Path, processes: list[Process], number: int) -> None:
    one = start(processes, directory, "run", "--app", "shop:app", "--only", "carts", "--lease", "1")
    assert re.fullmatch(r"refold: \S+:\d+ runs carts \(version 1\); nobody else does. Ctrl-C stops it.\n", one.err())
    one.until(r"\tcarts\t1\t1\tactive\trunning\t6\t6\t0\t")
    other = start(processes, directory, "run", "--app", "shop:app", "--only", "carts", "--output", "jsonl")
    assert f":{one.process.pid}. Ctrl-C stops it." in other.err()
    add(directory, 1)
    one.tell(number)
    assert one.end()[::2] == (0, "refold: stopping after the steps under way; once more ends it at once.\n")
    other.until(rf'"position":7.*"owner":"[^"]*:{other.process.pid}:')
    other.tell(number)
    assert other.end()[0] == 0


def test_told_twice_it_ends_at_once(directory: Path, processes: list[Process]) -> None:
    slow = start(processes, directory, "run", "--app", "shop_slow:app", "--only", "carts")
    slow.err()
    slow.until("carts")
    slow.tell(signal.SIGINT)
    assert "stopping" in slow.err()
    until("it was told again a moment later, and has ended", lambda: has_ended_of(slow, signal.SIGINT))
    assert slow.end()[0] == 130


def has_ended_of(process: Process, number: int) -> bool:
    """Tell it, and look."""
    process.tell(number)
    return process.process.poll() is not None


# List, show, watch --------------------------------------------------------------


def test_a_list_tells_each_build(shop: Run) -> None:
    listed = json.loads(shop("projections", "list", "--output", "json").out)
    carts, notes = listed["data"]
    assert (listed["schema"], listed["next"]) == (1, None)
    (part,) = carts.pop("partitions")
    for each in (carts, part):
        assert re.fullmatch(r"20\d\d-.*Z", each.pop("last_step"))
    assert carts == {
        "name": "carts", "version": 1, "build": 1, "role": "active", "state": "running", "reason": "", "is_stuck": False,
        "position": 6, "head": 6, "lag": 0, "oldest_waiting": None, "waiting_seconds": None, "rate": 0.0, "applied": 2,
        "dead_letters": 0, "parked_keys": 0,
    }  # fmt: skip
    assert part == {
        "slots": [0, 1023], "position": 6, "state": "running", "reason": "", "owner": None, "leased_until": None,
        "rate": 0.0, "applied": 2,
    }  # fmt: skip
    assert (notes["dead_letters"], notes["parked_keys"]) == (1, 1)


def test_what_waits_is_told_with_its_age(shop: Run, directory: Path) -> None:
    add(directory, 3)
    carts = json.loads(shop("projections", "show", "carts", "--output", "json").out)["builds"][0]
    assert (carts["lag"], carts["waiting_seconds"] < 60) == (3, True)


def test_for_people_there_is_a_table_with_ages(shop: Run, directory: Path) -> None:
    add(directory, 1)
    assert shop("run", "--once").code == 1  # just now
    out = shop("projections", "list", "--output", "table").out
    head, _rule, carts, notes = out.splitlines()
    assert head.split()[:6] == ["projection", "state", "position", "lag", "rate", "last"]
    assert [line.split()[:3] for line in (carts, notes)] == [["carts", "v1", "running"], ["notes", "v1", "running"]]
    assert carts.split()[-3:] == ["s", "ago", "0"]
    shown = shop("projections", "show", "carts", "--output", "table").out
    assert "carts, version 1, build 1, active" in shown
    assert "all keys at #7, nobody works on it" in shown


def test_a_name_that_was_not_begun_is_not_found(shop: Run) -> None:
    for args in (
        ("show", "cats"),
        ("pause", "cats"),
        ("resume", "cats"),
        ("drop-retired", "cats"),
        ("abandon", "cats"),
    ):
        done = shop("projections", *args)
        assert (done.code, done.err.startswith("refold: no projection 'cats' was begun in this database")) == (3, True)


def test_a_watch_tells_what_changes(shop: Run, directory: Path, processes: list[Process]) -> None:
    watch = start(processes, directory, "projections", "list", "--watch")
    watch.until("notes")
    assert shop("projections", "pause", "carts", "--reason", "the disk is full").code == 0
    assert watch.until("carts.*paused").endswith("\tthe disk is full\n")
    watch.tell(signal.SIGINT)
    assert watch.end() == (0, "", "")
    assert shop("projections", "list", "--watch", "--output", "json").code == 2


# Steering -----------------------------------------------------------------------


def test_a_pause_holds_until_it_is_resumed(shop: Run, directory: Path) -> None:
    assert shop("projections", "pause", "carts", "--reason", "no room").out == "carts is paused at position 6.\n"
    add(directory, 1)
    done = shop("run", "--once", "--only", "carts")
    assert (done.code, done.err) == (7, "refold: projection 'carts' is paused: no room\n")
    assert shop("projections", "resume", "carts").out == "carts goes on at position 6, 1 event behind.\n"
    assert shop("run", "--once", "--only", "carts").code == 0


def test_its_keys_are_shared_out_if_it_has_keys_of_its_own(shop: Run) -> None:
    assert shop("projections", "repartition", "carts", "4").out == "carts has 4 partitions.\n"
    shown = shop("projections", "show", "carts", "--output", "table").out
    assert [line.split()[1:3] for line in shown.splitlines() if line.startswith("partition")] == [
        ["slots", "0-255"], ["slots", "256-511"], ["slots", "512-767"], ["slots", "768-1023"],
    ]  # fmt: skip
    done = shop("projections", "repartition", "notes", "4")
    assert (done.code, "projection 'notes' has no key of its own" in done.err) == (2, True)


# Rebuild --------------------------------------------------------------------------


def test_a_plan_says_what_a_rebuild_would_do_and_does_nothing(shop: Run) -> None:
    done = shop("projections", "rebuild", "carts", "--plan", "--parallel", "3", app="shop_v2")
    plan = (
        "carts: people read build 1 (version 1), at position 6.\n"
        "version 2 is built beside it in 3 parts, from 6 events.\n"
        "it takes its place in one transaction as soon as it is as far; readers do not wait.\n"
        "build 1 stays until `refold projections drop-retired carts`.\n"
    )
    assert done == (0, plan, "")
    assert roles(shop) == [(1, 1, "active")]


def test_a_rebuild_switches_and_the_old_build_stays_until_it_is_dropped(shop: Run) -> None:
    done = shop("projections", "rebuild", "carts", app="shop_v2")
    told = (
        "carts: build 2 (version 2) took the place of build 1 (version 1) and is at position 6; the old one stays until "
        "`refold projections drop-retired carts`.\n"
    )
    assert done == (0, told, "")
    assert roles(shop) == [(1, 1, "retired"), (2, 2, "active")]
    plan = "carts: build 1 (version 1, retired) at position 6\nthey are removed; to have one again, rebuild that version.\n"
    assert shop("projections", "drop-retired", "carts", "--dry-run") == (0, "", plan)
    assert shop("projections", "drop-retired", "carts") == (
        7, "", plan + "refold: nothing was done: say --yes to do it without being asked.\n",
    )  # fmt: skip
    assert len(roles(shop)) == 2
    assert shop("projections", "drop-retired", "carts", "--yes").out == "removed 1 build of carts.\n"
    assert shop("projections", "drop-retired", "carts", "--yes").out == "carts has no builds that were replaced.\n"
    assert roles(shop) == [(2, 2, "active")]


def test_a_rebuild_that_is_interrupted_goes_on_or_is_given_up(shop: Run, directory: Path) -> None:
    add(directory, 600)
    add(directory, 1, "ctrl-c")
    assert shop("run", "--once", "--only", "carts").code == 0
    for _ in range(2):
        done = shop("projections", "rebuild", "carts", app="shop_interrupted")
        assert done.code == 130
    assert roles(shop) == [(1, 1, "active"), (2, 2, "building")]
    plan = shop("projections", "rebuild", "carts", "--plan", app="shop_v2").out.splitlines()
    assert plan[1] == "build 2 (version 2) was begun, and goes on at position 500."
    assert shop("projections", "abandon", "carts", "--yes") == (
        0, "removed 1 build of carts.\n", "carts: build 2 (version 2) at position 500 is removed.\n",
    )  # fmt: skip
    assert shop("projections", "abandon", "carts").out == "carts has no build that is being made.\n"

    first = shop("projections", "rebuild", "carts", app="shop_interrupted")
    assert first.err == (
        "refold: stopped at position 500 of 607: the same command goes on there, and `refold projections abandon carts` "
        "gives it up.\n"
    )
    assert shop("projections", "rebuild", "carts", "--output", "json", app="shop_v2").code == 0
    assert rows(directory, "select items from sizes order by cart") == [(3,), (601,)]


def test_a_paused_build_is_not_gone_on_with(shop: Run, directory: Path) -> None:
    add(directory, 600)
    add(directory, 1, "ctrl-c")
    shop("projections", "rebuild", "carts", app="shop_interrupted")
    shop("projections", "pause", "carts", "--reason", "not now")
    done = shop("projections", "rebuild", "carts", app="shop_v2")
    assert (done.code, "projection 'carts' is paused at position 500: not now" in done.err) == (7, True)


def test_processes_build_it_in_parts(shop: Run, directory: Path) -> None:
    add(directory, 200)
    done = shop("projections", "rebuild", "carts", "--parallel", "2", "--output", "json", app="shop_v2")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["build"], told["role"], [part["slots"] for part in told["partitions"]]) == (
        2, "active", [[0, 511], [512, 1023]],
    )  # fmt: skip
    assert rows(directory, "select items from sizes order by cart") == [(3,), (200,)]
    refused = shop("projections", "rebuild", "notes", "--parallel", "2")
    assert (refused.code, "has no key of its own" in refused.err) == (2, True)
    assert shop("projections", "rebuild", "carts", "--parallel", "2", "--diff").code == 2


def test_a_worker_that_ends_is_told_with_its_last_words(
    shop: Run, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "sitecustomize.py").write_text("raise SystemExit('no room for a worker')")
    monkeypatch.setenv("PYTHONPATH", str(directory))
    done = shop("projections", "rebuild", "carts", "--parallel", "2", app="shop_v2")
    assert (done.code, done.err) == (1, "refold: a worker ended with 1: SystemExit: no room for a worker\n")


DIFFERENCE = 'sizes\t{"cart":"c-1"}\t{"cart":"c-1","items":3}\t{"cart":"c-1","items":6}\t[1,2]\n'
SUMMARY = "build 2 (version 2) and build 1 (version 1) of carts differ at position 6:\n  sizes: 1 row differs\n"
PLAN = "build 2 takes the place of build 1, else it is removed again.\nto undo it, rebuild with version 1.\n"


def test_a_diff_shows_what_would_change_and_asks(shop: Run, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def no(text: str, **_: object) -> bool:
        asked.append(text)
        return False

    monkeypatch.setattr(consent, "can_ask", lambda: True)
    monkeypatch.setattr(click, "confirm", no)
    removed = "build 2 was removed; people read build 1 as before.\n"
    done = shop("projections", "rebuild", "carts", "--diff", app="shop_doubling")
    assert (done, asked) == ((1, DIFFERENCE, SUMMARY + PLAN + removed), ["Do it?"])
    assert (roles(shop), rows(directory, "select items from sizes")) == ([(1, 1, "active")], [(3,)])


def test_a_diff_that_cannot_ask_leaves_nothing_behind(shop: Run) -> None:
    done = shop("projections", "rebuild", "carts", "--diff", app="shop_doubling")
    assert done == (
        7,
        DIFFERENCE,
        SUMMARY + PLAN + "refold: nothing was done: say --yes to do it without being asked.\n",
    )
    assert roles(shop) == [(1, 1, "active")]


@pytest.mark.parametrize(("app", "yes", "items"), [("shop_v2", [], 3), ("shop_doubling", ["--yes"], 6)])
def test_a_diff_switches_when_nothing_differs_or_it_was_told_to(
    shop: Run, directory: Path, app: str, yes: Sequence[str], items: int
) -> None:
    done = shop("projections", "rebuild", "carts", "--diff", *yes, app=app)
    assert (done.code, "took the place of build 1" in done.err) == (0, True)
    assert (roles(shop), rows(directory, "select items from sizes")) == (
        [(1, 1, "retired"), (2, 2, "active")],
        [(items,)],
    )


def test_for_people_each_row_is_shown_with_its_events(shop: Run) -> None:
    out = shop("projections", "rebuild", "carts", "--diff", "--yes", "--output", "table", app="shop_doubling").out
    assert out.splitlines() == [
        "sizes  cart=c-1  items 3 -> 6  ",
        "    #1  cart-c-1  cart.item-added",
        "    #2  cart-c-1  cart.item-added",
    ]


# Verify, audit, reset ---------------------------------------------------------------


def test_verify_is_content_where_it_holds_what_the_events_make_of_it(shop: Run) -> None:
    for name in ("carts", "notes"):
        told = f"build 2 (version 1) and build 1 (version 1) of {name} hold the same at position 6.\n"
        assert shop("projections", "verify", name) == (0, "", told)
    assert roles(shop) == [(1, 1, "active")]


def test_verify_ends_with_1_where_the_handlers_say_something_else_today(shop: Run) -> None:
    done = shop("projections", "verify", "carts", "--output", "json", app="shop_changed")
    assert (done.code, json.loads(done.out)) == (
        1,
        {
            "schema": 1,
            "data": [{
                "table": "sizes", "key": {"cart": "c-1"}, "old": {"cart": "c-1", "items": 3}, "new": {"cart": "c-1", "items": 6},
                "events": [{"position": n, "stream": "cart-c-1", "type": "cart.item-added"} for n in (1, 2)],
            }],
            "next": None,
        },
    )  # fmt: skip
    assert roles(shop) == [(1, 1, "active")]
    assert shop("projections", "verify", "carts", app="shop_v2").code == 7


def test_an_audit_counts_each_event(shop: Run) -> None:
    done = shop("projections", "audit", "notes")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("projection 'notes', positions 1 to 6: 1 events, 1 parked")
    told = json.loads(shop("projections", "audit", "carts", "--output", "json").out)
    assert (told["events"], told["applied"], told["missing"], told["is_sound"], told["until"]) == (2, 2, [], True, 6)


def test_a_reset_says_first_what_it_removes(shop: Run, directory: Path) -> None:
    plan = (
        "notes: build 1 (version 1, active) at position 6\n"
        "all of it is removed, with 1 dead letter; readers see nothing until 6 events are applied again.\n"
        "the events stay as they are: `refold run` fills it again.\n"
    )
    assert shop("projections", "reset", "notes", "--dry-run") == (0, "", plan)
    assert shop("projections", "reset", "notes").code == 7
    assert shop("dead-letters", "list", "notes").out != ""
    assert shop("projections", "reset", "notes", "--yes") == (0, "notes is empty, and begins again.\n", plan)
    assert shop("dead-letters", "list", "notes").out == ""


# Dead letters -----------------------------------------------------------------------


def test_dead_letters_are_listed_grouped_and_shown(shop: Run) -> None:
    listed = shop("dead-letters", "list", "notes").out.rstrip().split("\t")
    assert [*listed[:4], listed[5]] == [
        "3",
        "cart-c-1",
        "failed",
        "3",
        "ValueError: no brackets, please in note on 'cart.noted'",
    ]
    (group,) = json.loads(shop("dead-letters", "list", "notes", "--groups", "--output", "json").out)["data"]
    assert (group["error"], group["type"], group["failed"], group["waiting"]) == ("ValueError", "cart.noted", 1, 0)
    shown = json.loads(shop("dead-letters", "show", "notes", "3", "--output", "json").out)
    assert (shown["state"], shown["event"]["stream"], shown["event"]["data"]["note"]) == (
        "failed",
        "cart-c-1",
        "a [gift]\nfor Bob",
    )
    assert "no brackets, please" in shop("dead-letters", "show", "notes", "3", "--output", "table").out
    missing = "refold: projection 'notes' has no dead letter of position 2: `refold dead-letters list notes`.\n"
    assert shop("dead-letters", "show", "notes", "2") == (3, "", missing)


def test_what_is_retried_is_applied_when_it_can_be(shop: Run, directory: Path) -> None:
    assert shop("dead-letters", "retry", "notes") == (1, "0 events applied, 1 left.\n", "")
    assert shop("dead-letters", "retry", "notes", app="shop_lenient") == (0, "1 event applied, 0 left.\n", "")
    assert rows(directory, "select position from notes") == [(3,)]


def test_what_is_skipped_is_given_up_after_it_was_shown(shop: Run) -> None:
    plan = (
        "event #3 (ValueError: no brackets, please in note on 'cart.noted') is given up: the read model will never know of it.\n"
        "0 events of key 'cart-c-1' behind it will be applied.\n"
        "to undo it, rebuild the read model.\n"
    )
    assert shop("dead-letters", "skip", "notes", "3", "--dry-run") == (0, "", plan)
    assert shop("dead-letters", "skip", "notes", "3").code == 7
    done = shop("dead-letters", "skip", "notes", "3", "--yes")
    assert done == (0, "event #3 is skipped, 0 events behind it applied.\n", plan)
    assert shop("dead-letters", "list", "notes").out.split("\t")[2] == "skipped"
    assert shop("run", "--once").code == 0
