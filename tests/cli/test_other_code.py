"""`--code`: the other code opens the store as the command does, wherever that is given."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from tests.cli.conftest import Run

PROGRAM: Final = """
from dataclasses import dataclass
from refold import App, Closing, Decider, Personal, Store, command, event


@event("till.paid", subject="who")
class Paid:
    who: str
    name: Personal[str]
    amount: int


@event("till.closed")
class Closed: ...


@event("till.opened")
class Opened:
    amount: int
    names: str


@command("till.pay")
class Pay:
    name: str
    amount: int


@command("till.close")
class Close: ...


@dataclass(frozen=True)
class Till:
    amount: int = 0
    names: str = ""


def evolve(till: Till, event: Paid | Closed | Opened) -> Till:
    match event:
        case Paid(name=name, amount=amount):
            return Till(till.amount + amount, till.names + name)
        case Closed():
            return till
        case Opened(amount, names):
            return Till(amount, names)


def decide(command: Pay | Close, till: Till):
    match command:
        case Pay(name, amount):
            yield Paid(name, name, amount)
        case Close():
            yield Closed()


tills = Decider("till", initial=Till, evolve=evolve, decide=decide)
app = App(tills)


def fill(url):
    with Store.open(url) as store:
        till = store.bind(Closing(tills, Closed, lambda till: Opened(till.amount, till.names)), keep_commands=True)
        for each in (Pay("a", 1), Pay("b", 2), Close(), Pay("c", 3)):
            till.handle("7", each)
"""
STORE: Final = "till.db?keys=sqlite:///keys.db"
APP: Final = ("--app", "tills:app", "--code", "next", "--store", STORE)
STATES: Final = ({"amount": 3, "names": "ab"}, {"amount": 6, "names": "ab"})
"""By the code here and by the other, in the period that is closed."""


@pytest.fixture
def tills(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A till with a closed period, whose events name people; in a directory of whose name no URL could be made."""
    here = directory / "what? #now & then"
    (here / "next").mkdir(parents=True)
    (here / "tills.py").write_text(PROGRAM)
    changed = PROGRAM.replace("till.amount + amount", "till.amount + 2 * amount").replace(
        "name, amount)\n", "name, 9)\n", 1
    )
    (here / "next" / "tills.py").write_text(changed)
    fill = f"import tills; tills.fill('sqlite:///{STORE}')"
    subprocess.run([sys.executable, "-c", fill], cwd=here, check=True)
    monkeypatch.chdir(here)
    return here


def whatif(refold: Run, *args: str) -> Any:
    done = refold("whatif", "till-7", *args, *APP, "--output", "json")
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out)
    return told["actual"], told["hypothetical"]


@pytest.mark.usefixtures("tills")
def test_other_code_reads_the_same_store_and_keys(refold: Run) -> None:
    assert whatif(refold) == STATES


@pytest.mark.usefixtures("tills")
@pytest.mark.parametrize("by", ["option", "environment"])
def test_other_code_reads_the_same_archive(refold: Run, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refold("archive", "create", "old", "--store", STORE, "--older-than", "0s").code == 0
    given = ("--archive", "old") if by == "option" else ()
    if not given:
        monkeypatch.setenv("REFOLD_ARCHIVE", "old")
    assert whatif(refold, *given) == STATES
    done = refold("redecide", "till-7", *given, *APP, "--output", "json")
    assert (done.code, done.err) == (1, "3 commands of 1 stream decided again: 2 otherwise.\n")
    assert [event["data"]["amount"] for each in json.loads(done.out)["data"] for event in each["new"]] == [9, 9]
