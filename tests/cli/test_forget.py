"""`refold forget`: what is planned is shown, and what is done is done for good."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from refold import Personal, Store, event

STORE = "guests.db?keys=sqlite:///keys.db"
PLAN = (
    "1 key of guest:ann would be destroyed: what is personal in 2 events in 2 streams is then gone.\n"
    "Read models keep what they took out of these events until they handle SubjectForgotten, or are rebuilt.\n"
    "This cannot be undone, but for a backup of the keys.\n"
)
FORGOTTEN = {"subject": "guest:ann", "keys": 1, "events": 2, "streams": ["guest-1", "guest-2"], "snapshots": 0}


@event("guest.came", subject="guest")
class Came:
    guest: str
    name: Personal[str]


@pytest.fixture(autouse=True)
def guests(directory: Path) -> None:
    del directory  # where we are
    with Store.open(f"sqlite:///{STORE}", events=[Came]) as store:
        for stream, guest in (("guest-1", "ann"), ("guest-2", "ann"), ("guest-3", "bob")):
            store.append(stream, [Came(guest, guest.title())])


def names() -> list[str | None]:
    with Store.open(f"sqlite:///{STORE}", events=[Came]) as store:
        return [recorded.data.name for recorded in store.read()]


def test_a_dry_run_shows_the_plan_and_changes_nothing(refold: Run) -> None:
    assert refold("forget", "guest:ann", "--store", STORE, "--dry-run") == (0, "", PLAN)
    assert names() == ["Ann", "Ann", "Bob"]


def test_a_plan_is_an_object_where_objects_are_asked_for(refold: Run) -> None:
    for output in ("json", "jsonl"):
        code, out, err = refold("forget", "guest:ann", "--store", STORE, "--dry-run", "--output", output)
        assert (code, json.loads(out), err) == (0, FORGOTTEN, "")
    assert names() == ["Ann", "Ann", "Bob"]


def test_without_somebody_to_ask_nothing_is_done(refold: Run) -> None:
    code, out, err = refold("forget", "guest:ann", "--store", STORE)
    assert (code, out, err.removeprefix(PLAN)) == (
        7,
        "",
        "refold: nothing was done: say --yes to do it without being asked.\n",
    )
    assert names() == ["Ann", "Ann", "Bob"]


def test_it_is_done_and_told_and_done_again_without_harm(refold: Run) -> None:
    for _ in range(2):
        code, out, _ = refold("forget", "guest:ann", "--store", STORE, "--yes", "--actor", "dpo", "--output", "json")
        assert (code, json.loads(out)) == (0, FORGOTTEN)
    assert names() == [None, None, "Bob"]
    shown = json.loads(refold("show", "$forgotten-guest:ann", "--store", STORE, "--output", "json").out)
    assert [(one["type"], one["data"], one["metadata"]["actor"]) for one in shown["data"]] == [
        ("$subject-forgotten", {"subject": "guest:ann"}, "dpo")
    ]


def test_other_commands_take_the_url_with_the_keys(refold: Run) -> None:
    refold("forget", "guest:ann", "--store", STORE, "--yes")
    for command in (["doctor"], ["verify"], ["backup", "b"], ["stats"]):
        assert refold(*command, "--store", STORE).code in {0, 1}, command  # doctor has its own opinion of this machine
    assert refold("show", "guest-3", "--store", STORE).code == 0


@pytest.mark.parametrize(
    ("subject", "store", "code", "says"),
    [
        ("guest:eve", STORE, 2, "nothing personal about 'guest:eve' was ever written"),
        ("guest:ann", "guests.db", 2, "there are no keys"),
        ("guest:ann", "guests.db?keys=nats://x/y", 2, "is no place for keys"),
        ("guest:ann", "guests.db?keys=sqlite:///guests.db", 5, "holds no keys: choose another file"),
        ("guest:ann", "guests.db?keys=sqlite:///nowhere/k.db", 5, "there is no directory 'nowhere' for the keys"),
    ],
)
def test_what_cannot_be_done_is_said(refold: Run, subject: str, store: str, code: int, says: str) -> None:
    told = refold("forget", subject, "--store", store, "--yes")
    assert (told.code, says in told.err) == (code, True), told.err
