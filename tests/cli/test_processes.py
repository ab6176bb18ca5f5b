"""Processes from the command line: run, listed, shown, steered; what changes something is planned and asked for."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import CaughtUp, Run
from tests.cli.shop import PROGRAM, Outcome
from tests.cli.test_projections import Process, start

from refold import NewEvent, RawEvent, Store
from refold.cli.exits import Exit

ASKED = "refold: nothing was done: say --yes to do it without being asked.\n"
TIMER = "f7c6590f-6647-5ba1-a294-6ce02b667234"
OTHER_CLASSES = """
from pydantic import BaseModel


@event("cart.asked")
class Asked(BaseModel):
    text: str


class Seen:
    def __init__(self, inputs):
        self.inputs = inputs

    def __repr__(self):
        return f"seen {self.inputs}"


def listen(e: Recorded[ItemAdded | Asked], seen: Seen):
    yield from ()


desk = App(Process("listening", lambda: Seen(0), listen, lambda seen, e: Seen(seen.inputs + 1)), decider, reminders, mail)
"""
PROGRAMS = {
    "desk_of_other_classes": PROGRAM + OTHER_CLASSES,
    "desk_lenient": PROGRAM.replace('if note == "unreadable"', 'if note == "never"'),
    "desk_awaiting": PROGRAM.replace("def mail(", "async def mail("),
    "desk_without_mail": PROGRAM.replace("desk = App(decider, reminders, mail)", "desk = App(decider, reminders)"),
    "desk_broken": PROGRAM.replace(
        "    match e.data:\n        case ItemAdded()",
        "    raise KeyError(1)\n    match e.data:\n        case ItemAdded()",
    ),
}


@pytest.fixture(autouse=True)
def programs(directory: Path) -> None:
    """The shop as it might be, beside the one that there is."""
    for name, text in PROGRAMS.items():
        (directory / f"{name}.py").write_text(text)


@pytest.fixture
def desk(refold: Run, caught_up: CaughtUp) -> Run:
    """Runs `refold` on the shop, whose processes are caught up."""

    def run(*args: str, app: str = "shop") -> Outcome:
        with_code = args[0] == "run" or args[1] in {"show", "cancel", "retry", "skip", "signal", "reindex"}
        return refold(*args, *(("--app", f"{app}:desk") if with_code else ()), "--store", "shop.db")

    caught_up("shop:desk", Exit.OK)
    return run


def add(directory: Path, stream: str, *events: tuple[str, dict[str, Any]]) -> None:
    with Store.open(f"sqlite:///{directory}/shop.db", events=[RawEvent]) as store:
        store.append(stream, [NewEvent(RawEvent(type, data)) for type, data in events])


def note(text: str) -> tuple[str, dict[str, Any]]:
    return "cart.noted", {"sku": None, "note": text}


def item() -> tuple[str, dict[str, Any]]:
    return "cart.item-added", {"sku": "b-7", "qty": 1}


def data(done: Outcome) -> Sequence[Any]:
    assert done.code == 0, done
    found: list[Any] = json.loads(done.out)["data"]
    return found


def shown(desk: Run, id: str = "c-1", **options: str) -> Any:
    done = desk("processes", "show", "reminders", id, "--output", "json", **options)
    assert done.code == 0, done
    return json.loads(done.out)


# Run ------------------------------------------------------------------------------------------------------------------


def test_once_does_all_that_processes_can_do_now(refold: Run, directory: Path) -> None:
    done = refold("run", "--once", "--app", "shop:desk", "--store", "shop.db")
    assert (done.code, done.err, done.out.split("\t")[0]) == (0, "", "$process.reminders")
    with Store.open(f"sqlite:///{directory}/shop.db", events=[RawEvent]) as store:
        assert [e.type for e in store.read("$process.reminders-c-1")][-1] == "$process.delivered"


def test_once_ends_with_1_where_an_input_was_parked(desk: Run, directory: Path) -> None:
    add(directory, "cart-c-1", note("unreadable"))
    done = desk("run", "--once")
    assert (done.code, done.err) == (
        1, "refold: process 'reminders' could not take in some events: see refold processes list --stuck.\n",
    )  # fmt: skip


def test_once_ends_with_7_where_a_process_fails_for_whatever_instance(refold: Run, directory: Path) -> None:
    for number in range(12):
        add(directory, f"cart-c-{number}", item())
    done = refold("run", "--once", "--app", "desk_broken:desk", "--store", "shop.db")
    assert (done.code, "10 keys in a row failed" in done.err) == (7, True), done


def test_effects_that_await_are_awaited(refold: Run) -> None:
    assert refold("run", "--once", "--app", "desk_awaiting:desk", "--store", "shop.db").code == 0
    assert refold("processes", "outgoing", "--store", "shop.db") == (0, "", "")


def test_processes_live_in_the_store_wherever_read_models_do(desk: Run, refold: Run, directory: Path) -> None:
    add(directory, "cart-c-1", item())
    where = "--app", "shop:both", "--store", "shop.db", "--into", "reports.db"
    assert refold("run", "--once", *where, "--only", "reminders").code == 0
    assert [*first_words(refold("processes", "list", "--store", "shop.db"))] == ["reminders"]
    assert refold("projections", "list", "--store", "shop.db", "--into", "reports.db").out == ""
    assert refold("run", "--once", *where).code == 0
    assert [*first_words(refold("projections", "list", "--store", "shop.db", "--into", "reports.db"))] == ["carts"]


def first_words(done: Outcome) -> Iterator[str]:
    return (line.split("\t")[0] for line in done.out.splitlines())


def test_what_is_not_there_cannot_be_run(refold: Run) -> None:
    done = refold("run", "--once", "--app", "shop:desk", "--store", "shop.db", "--only", "cats")
    assert (done.code, done.err) == (3, "refold: the app has no projection or process 'cats': it has reminders.\n")


@pytest.fixture
def processes(directory: Path) -> Any:
    started: list[Process] = []
    yield started
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


def test_a_runner_runs_them_until_it_is_told_to_stop(desk: Run, directory: Path, processes: list[Process]) -> None:
    one = start(processes, directory, "run", "--app", "shop:desk", "--lease", "1")
    assert re.fullmatch(
        r"refold: \S+:\d+ runs process reminders \(version 1\); nobody else does. Ctrl-C stops it.\n", one.err()
    )
    one.until(r"\t\$process.reminders\t1\t1\tactive\trunning\t")
    done = desk("processes", "cancel", "reminders", "c-1", "--yes", "--timeout", "30", "--output", "json")
    assert json.loads(done.out) == {"state": "cancelled", "reason": "by hand", "told": "it is cancelled"}
    one.tell(signal.SIGTERM)
    assert one.end()[0] == 130 or one.process.returncode == 0


@pytest.mark.parametrize("name", ["carts", r"\$process.reminders"])
def test_beside_read_models_of_another_database_processes_run_in_the_store(
    directory: Path, processes: list[Process], name: str
) -> None:
    one = start(processes, directory, "run", "--app", "shop:both", "--into", "reports.db", "--lease", "1")
    one.until(rf"\t{name}\t1\t1\tactive\trunning\t(\d+)\t\1\t0\t")  # it has arrived at the head
    one.tell(signal.SIGTERM)
    assert one.end()[0] == 0


# Looked at ------------------------------------------------------------------------------------------------------------


def test_instances_are_listed(desk: Run, directory: Path) -> None:
    for id in ("c-2", "c-3"):
        add(directory, f"cart-{id}", item())
    add(directory, "cart-c-4", note("too early"))
    add(directory, "cart-c-2", note("unreadable"))
    desk("run", "--once")
    listed = data(desk("processes", "list", "--output", "json"))
    assert [(each["process"], each["id"], each["state"], each["inputs"]) for each in listed] == [
        ("reminders", "c-1", "running", 3), ("reminders", "c-2", "running", 1), ("reminders", "c-3", "running", 1),
        ("reminders", "c-4", "unbegun", 0),
    ]  # fmt: skip
    stuck = data(desk("processes", "list", "--stuck", "--output", "json"))
    assert [(each["id"], each["stuck"].partition(": ")[2].partition(":")[0]) for each in stuck] == [
        ("c-2", "ValueError"), ("c-4", "UsageError"),
    ]  # fmt: skip
    page = json.loads(desk("processes", "list", "--process", "reminders", "--limit", "2", "--output", "json").out)
    assert ([each["id"] for each in page["data"]], page["next"]) == (["c-1", "c-2"], "c-2")
    rest = data(
        desk("processes", "list", "--process", "reminders", "--after", "c-2", "--state", "running", "--output", "json")
    )
    assert [each["id"] for each in rest] == ["c-3"]
    plain = desk("processes", "list", "--state", "running", "--limit", "1").out.split("\t")
    assert (plain[:5], len(plain)) == (["reminders", "c-1", "running", "1", "3"], 8)
    assert desk("processes", "list", "--process", "cats", "--output", "table") == (0, "", "no instances.\n")
    assert desk("processes", "list", "--stuck-after", "soon").code == 2


def test_an_instance_is_shown_whole(desk: Run) -> None:
    view = shown(desk)
    assert (view["status"], view["state"], view["version"], view["parked"], view["messages"]) == (
        "running",
        3,
        1,
        [],
        [],
    )
    assert re.fullmatch(r"cart.item-added, cart.noted, or cart.forgotten in \d+ d [\d:]+", view["waiting_for"])
    assert [(each["position"], each["what"], each["actor"]) for each in view["history"][:3]] == [
        (1, "cart.item-added", "ada"), (2, "cart.item-added", None), (3, "cart.noted", None),
    ]  # fmt: skip
    assert view["history"][2]["led_to"] == ["sent mail.send to mail"]
    table = desk("processes", "show", "reminders", "c-1", "--output", "table").out
    assert "reminders c-1, version 1" in table
    assert "cart.item-added by ada" in table
    assert "delivered mail.send to mail" in table


@pytest.mark.parametrize(
    ("args", "app", "code", "told"),
    [
        (["show", "reminders", "c-9"], "shop:desk", 3, "process 'reminders' has no instance 'c-9': `refold processes list`"),
        (["show", "cats", "c-1"], "shop:desk", 3, "the app has no process 'cats': it has reminders."),
        (["show", "cats", "c-1"], "shop:app", 3, "the app has no process 'cats': it has none."),
        (["show", "cats", "c-1"], None, 2, "which processes? Name the application that has them"),
        (["signal", "reminders", "c-1", "cat.fed", "{}"], "shop:desk", 2, "does not react to 'cat.fed': it does to cart."),
        (["signal", "reminders", "c-1", "cart.noted", "{}"], "shop:desk", 2, "the data do not fit 'cart.noted': "),
        (
            ["signal", "reminders", "c-1", "cart.noted", '{"sku": null, "note": "x", "nota": "y"}'], "shop:desk", 2,
            "the data do not fit 'cart.noted': it has no 'nota'.",
        ),
        (["cancel", "reminders", "c-9", "--yes"], "shop:desk", 3, "has no instance 'c-9'"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told(
    desk: Run, refold: Run, args: list[str], app: str | None, code: int, told: str
) -> None:
    done = refold("processes", *args, *(("--app", app) if app else ()), "--store", "shop.db")
    assert (done.code, done.out, told in done.err) == (code, "", True), done


def test_what_is_not_delivered_is_listed(refold: Run) -> None:
    assert refold("run", "--once", "--app", "desk_without_mail:desk", "--store", "shop.db").code == 0
    ((message),) = data(refold("processes", "outgoing", "--store", "shop.db", "--output", "json"))
    assert (message["process"], message["instance"], message["type"], message["data"], message["state"]) == (
        "reminders", "c-1", "mail.send", {"text": "a [gift]\nfor Bob"}, "pending",
    )  # fmt: skip
    assert "no effect 'mail' is run here" in message["error"]
    assert refold("processes", "outgoing", "--parked", "--store", "shop.db").out == ""
    assert refold("outbox", "status", "--app", "shop:outbox", "--store", "shop.db").err == (
        "refold: processes have sent 1 message that nobody took: refold processes outgoing.\n"
    )


def test_timers_are_listed_and_one_comes_back_now(desk: Run, directory: Path) -> None:
    ((timer),) = data(desk("timers", "list", "--output", "json"))
    assert timer == {
        "timer": TIMER, "process": "reminders", "id": "c-1", "type": "cart.forgotten", "due": "2125-12-08T12:01:00Z",
    }  # fmt: skip
    assert desk("timers", "list", "--id", "c-2", "--output", "table") == (0, "", "no timers are set.\n")
    plan = "cart.forgotten comes back to reminders c-1 now, not at 2125-12-08 12:01:00.\n"
    assert desk("timers", "fire", TIMER) == (7, "", plan + ASKED)
    assert desk("timers", "fire", TIMER, "--dry-run") == (0, "", plan)
    assert desk("timers", "fire", TIMER, "--yes") == (0, "cart.forgotten came back to reminders c-1.\n", plan)
    assert desk("timers", "fire", TIMER, "--yes").code == 3
    desk("run", "--once")
    assert shown(desk)["status"] == "finished"
    with Store.open(f"sqlite:///{directory}/shop.db", events=[RawEvent]) as store:
        assert [event.data.data for event in store.read("cart-c-1")][-1] == {"sku": "reminder", "qty": 1}


# Steered --------------------------------------------------------------------------------------------------------------


def test_nothing_is_changed_unasked(desk: Run) -> None:
    before = shown(desk)["history"]
    for args in (
        ("cancel", "reminders", "c-1"), ("signal", "reminders", "c-1", "cart.forgotten", "{}"), ("reindex", "reminders"),
    ):  # fmt: skip
        asked, dry = desk("processes", *args), desk("processes", *args, "--dry-run")
        assert (asked.code, asked.out, dry.code, dry.out) == (7, "", 0, "")
        assert asked.err == dry.err + ASKED
    assert shown(desk)["history"] == before


@pytest.mark.parametrize(("verb", "done"), [("retry", "sent again"), ("skip", "given up")])
def test_where_nothing_is_parked_nobody_is_asked(desk: Run, verb: str, done: str) -> None:
    for option in ((), ("--yes",), ("--dry-run",)):
        told = desk("processes", verb, "reminders", "c-1", "--output", "table", *option)
        assert told == (
            0, f"0 inputs taken in, 0 messages {done}, 0 inputs left.\n",
            f"nothing of it is parked: there is nothing to {verb}.\n",
        )  # fmt: skip
    missing = desk("processes", verb, "reminders", "c-9", "--yes")
    assert (missing.code, missing.out) == (3, "")


def test_one_is_cancelled_and_says_so_if_nobody_runs_it(desk: Run) -> None:
    done = desk(
        "processes",
        "cancel",
        "reminders",
        "c-1",
        "--reason",
        "by phone",
        "--actor",
        "ada",
        "--yes",
        "--output",
        "table",
    )
    assert done.out == ("reminders c-1: it is asked to end, and still running: no runner runs the process now.\n")
    assert done.err.splitlines()[1:] == [
        "1 timer will not come back, 0 parked inputs will be skipped.", "this cannot be undone.",
    ]  # fmt: skip
    desk("run", "--once")
    view = shown(desk)
    assert (view["status"], view["reason"], view["history"][-1]["actor"]) == ("cancelled", "by phone", "ada")
    assert data(desk("timers", "list", "--output", "json")) == []


def test_what_is_parked_is_retried_with_better_code(desk: Run, directory: Path) -> None:
    add(directory, "cart-c-1", note("unreadable"), item())
    desk("run", "--once")
    for verb in ("retry", "skip"):
        asked = desk("processes", verb, "reminders", "c-1")
        assert (asked.code, asked.out, asked.err.endswith(ASKED)) == (7, "", True)
    left = desk("processes", "retry", "reminders", "c-1", "--yes", "--output", "table")
    assert (left.code, left.out) == (1, "0 inputs taken in, 0 messages sent again, 2 inputs left.\n")
    done = desk(
        "processes", "retry", "reminders", "c-1", "--reason", "mended", "--yes", "--output", "json", app="desk_lenient"
    )
    assert (done.code, json.loads(done.out)) == (0, {"inputs": 2, "messages": 0, "parked": 0})
    assert [each["what"] for each in shown(desk)["history"] if "parked inputs" in each["what"]] == [
        "let its parked inputs be taken in again: by hand", "let its parked inputs be taken in again: mended",
    ]  # fmt: skip


def test_or_given_up(desk: Run, directory: Path) -> None:
    add(directory, "cart-c-1", note("unreadable"), item())
    desk("run", "--once")
    done = desk("processes", "skip", "reminders", "c-1", "--yes", "--output", "table")
    assert (done.code, done.out) == (0, "1 input taken in, 0 messages given up, 0 inputs left.\n")
    assert done.err.splitlines() == [
        "1 parked input and 0 parked messages are given up for ever.", "1 input behind will be taken in.",
    ]  # fmt: skip


def test_an_instance_is_given_an_event(desk: Run) -> None:
    done = desk(
        "processes",
        "signal",
        "reminders",
        "c-1",
        "cart.noted",
        '{"sku": null, "note": "hello"}',
        "--yes",
        "--actor",
        "ada",
    )
    assert (done.code, done.err) == (0, "reminders c-1 will be given Noted(sku=None, note='hello').\n")
    assert re.fullmatch(r"reminders c-1 is given cart.noted at position \d+\.\n", done.out)
    desk("run", "--once")
    told = [(each["what"], each["actor"], each["data"]) for each in shown(desk)["history"]]
    assert ("cart.noted", "ada", {"sku": None, "note": "hello"}) in told


def test_events_are_of_any_class_and_a_state_that_is_no_json_is_shown_as_text(desk: Run) -> None:
    desk("run", "--once", app="desk_of_other_classes")
    asked = ("listening", "c-1", "cart.asked")
    wrong = desk("processes", "signal", *asked, '{"text": "x", "txet": "y"}', "--yes", app="desk_of_other_classes")
    assert (wrong.code, wrong.err) == (2, "refold: the data do not fit 'cart.asked': it has no 'txet'.\n")
    done = desk("processes", "signal", *asked, '{"text": "x"}', "--yes", app="desk_of_other_classes")
    assert (done.code, done.err) == (0, "listening c-1 will be given Asked(text='x').\n")
    desk("run", "--once", app="desk_of_other_classes")
    table = desk("processes", "show", "listening", "c-1", "--output", "table", app="desk_of_other_classes")
    as_json = desk("processes", "show", "listening", "c-1", "--output", "json", app="desk_of_other_classes")
    assert (table.code, "seen 3" in table.out, json.loads(as_json.out)["state"]) == (0, True, "seen 3")


def test_rows_are_made_again(desk: Run) -> None:
    before = shown(desk), data(desk("timers", "list", "--output", "json"))
    done = desk("processes", "reindex", "reminders", "--yes")
    assert (done.code, done.out) == (0, "reminders has 1 instance.\n")
    after = shown(desk), data(desk("timers", "list", "--output", "json"))
    assert [after[0]["history"], after[1]] == [before[0]["history"], before[1]]


# Out of the way -------------------------------------------------------------------------------------------------------


def test_journals_are_out_of_the_way(desk: Run, directory: Path) -> None:
    with Store.open(f"sqlite:///{directory}/shop.db") as store:
        head = int(store.head())
    assert len(desk("tail", "--from", "1").out.splitlines()) == 6
    assert len(desk("tail", "--from", "1", "--journals").out.splitlines()) == head
    assert len(desk("tail", "--limit", "3").out.splitlines()) == 3
    assert len(desk("tail", "--category", "$process.reminders").out.splitlines()) == head - 6
    assert len(desk("tail", "--type", "$process.sent").out.splitlines()) == 1
    assert len(desk("export", "-").out.splitlines()) == 6
    assert len(desk("export", "-", "--journals").out.splitlines()) == head
    assert desk("projections", "list").out == ""
    assert desk("dead-letters", "list", "$process.reminders").code == 0


def test_dead_letters_of_a_process_are_mended_where_processes_are(desk: Run, refold: Run, directory: Path) -> None:
    add(directory, "cart-c-1", note("unreadable"))
    desk("run", "--once")
    assert desk("dead-letters", "list", "$process.reminders").out.split("\t")[1:3] == ["c-1", "failed"]
    done = refold("dead-letters", "retry", "$process.reminders", "--app", "shop:desk", "--store", "shop.db")
    assert (done.code, "`refold processes` mends it" in done.err) == (3, True)


def test_a_copy_has_the_journals_and_is_indexed_from_them(desk: Run, refold: Run) -> None:
    assert refold("copy", "--from", "shop.db", "--to", "copy.db").code == 0
    assert refold("processes", "reindex", "reminders", "--app", "shop:desk", "--store", "copy.db", "--yes").out == (
        "reminders has 1 instance.\n"
    )
    listed = json.loads(
        refold("processes", "list", "--process", "reminders", "--store", "copy.db", "--output", "json").out
    )
    assert [(each["id"], each["inputs"]) for each in listed["data"]] == [("c-1", 3)]
    assert refold("run", "--once", "--app", "shop:desk", "--store", "copy.db").code == 0
    again = json.loads(refold("processes", "list", "--store", "copy.db", "--output", "json").out)
    assert again["data"] == listed["data"]
