"""Kept commands decided again: by the code as it is, by other code, over one stream, a category, or all deciders."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Run
from tests.cli.shop import PROGRAM, Outcome

from refold.cli.apps import application
from refold.fold import Decider
from refold.messages import Metadata, NewEvent, RawEvent
from refold.store import Store

APP = ("--app", "shop:app", "--store", "shop.db")
PASSED_OVER = "passed over: 3 events without a kept command.\n"
ADDS = {"cart-a": (4, 3), "cart-b": (1,)}


@pytest.fixture
def kept(directory: Path, shelf: Path) -> Path:
    """The shop, in which carts a and b also have commands."""
    if not (store := shelf / "commands.db").exists():
        give_commands(directory)
        shutil.copy("shop.db", store)
    shutil.copy(store, "shop.db")
    return directory


def give_commands(directory: Path) -> None:
    """By a program that keeps them, in a process of its own: who asks afterwards knows its code by the name alone."""
    program = "from shop import Add, app\nfrom refold import Store\n"
    program += "with Store.open('sqlite:///shop.db') as store:\n"
    program += "    carts = store.bind(app.folds['cart'], keep_commands=True)\n"
    for stream, counts in ADDS.items():
        for count in counts:
            program += f"    carts.handle({stream[-1]!r}, Add('x', {count}))\n"
    subprocess.run([sys.executable, "-c", program], cwd=directory, check=True)


def redecide(refold: Run, *args: str) -> Outcome:
    return refold("redecide", *args, *APP)


def found(refold: Run, *args: str, code: int = 1) -> list[dict[str, Any]]:
    done = redecide(refold, *args, "--output", "json")
    assert done.code == code, done
    told: list[dict[str, Any]] = json.loads(done.out)["data"]
    return told


def other(directory: Path, *changes: tuple[str, str]) -> str:
    """A directory with other code of the shop."""
    program = PROGRAM
    for old, new in changes:
        assert old in program
        program = program.replace(old, new)
    (directory / "other").mkdir(exist_ok=True)
    (directory / "other" / "shop.py").write_text(program)
    return "other"


ONE_MORE = ("yield ItemAdded(command.sku, command.pieces)", "yield ItemAdded(command.sku, command.pieces + 1)")
STRICT = ("> 10", "> 6")


def added(count: int) -> list[dict[str, Any]]:
    return [{"type": "cart.item-added", "data": {"qty": count, "sku": "x"}, "schema_version": 1}]


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["cart-a"], "2 commands of 1 stream decided again: all the same.\n"),
        (["--category", "cart"], f"3 commands of 3 streams decided again: all the same.\n{PASSED_OVER}"),
        ([], f"3 commands of 3 streams decided again: all the same.\n{PASSED_OVER}"),
        (["--code", "."], f"3 commands of 3 streams decided again: all the same.\n{PASSED_OVER}"),
        (
            ["cart-c-1"],
            "no command is kept in 1 stream: store.bind(..., keep_commands=True) keeps those to come.\n",
        ),
    ],
)
def test_where_nothing_differs_it_ends_with_0(refold: Run, args: list[str], told: str) -> None:
    assert redecide(refold, *args) == (0, "", told)


def test_other_events_and_what_fails_are_shown_with_the_command(refold: Run, kept: Path) -> None:
    differing = {"verdict": "other events", "old_error": None, "new_error": None}
    two = {"command": "cart.add", "data": {"pieces": 3, "sku": "x"}, "stream": "cart-a", "version": 2}
    one = {**two, "data": {"pieces": 4, "sku": "x"}, "version": 1}
    patch = [{"op": "replace", "path": "/0/data/qty", "value": 5, "old": 4}]
    fails = {"verdict": "fails", "old_error": None, "new_error": "Full: 4 are in it", "old": added(3), "new": []}
    removed = [{"op": "remove", "path": "/0", "old": added(3)[0]}]
    assert found(refold, "cart-a", "--code", other(kept, ONE_MORE, STRICT)) == [
        {**one, **differing, "old": added(4), "new": added(5), "diff": patch},
        {**two, **fails, "diff": removed},
    ]


def test_what_fails_here_and_no_longer_there_is_shown_too(refold: Run, kept: Path) -> None:
    """The old code is that of the working directory, to which history is a stranger by now."""
    argv = ["refold", "redecide", "--code", "before", *APP]
    program = f"import sys\nfrom refold.cli import main\nsys.argv = {argv!r}\nmain()"
    (kept / "before").mkdir()
    (kept / "before" / "shop.py").write_text(PROGRAM)
    (kept / "shop.py").write_text(PROGRAM.replace(*STRICT))
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=kept, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split("\t")[:4]) == (1, ["cart-a", "2", "cart.add", "no longer fails"])
    assert done.stderr == f"3 commands of 3 streams decided again: 1 otherwise.\n{PASSED_OVER}"


def test_only_so_many_are_shown_and_all_are_counted(refold: Run, kept: Path) -> None:
    done = redecide(refold, "--code", other(kept, ONE_MORE), "--limit", "1")
    assert done.code == 1
    assert len(done.out.splitlines()) == 1
    told = f"3 commands of 3 streams decided again: 3 otherwise.\n{PASSED_OVER}1 of 3 were shown: --limit shows more.\n"
    assert done.err == told


def test_they_are_shown_to_people(refold: Run, kept: Path) -> None:
    assert redecide(refold, "cart-a", "--code", other(kept, ONE_MORE, STRICT), "--output", "table").out == (
        'cart-a@1  cart.add {"sku":"x","pieces":4}  other events\n    ~ /0/data/qty  4 → 5\n'
        'cart-a@2  cart.add {"sku":"x","pieces":3}  fails\n    + Full: 4 are in it\n'
    )


def test_another_shape_of_an_event_is_no_difference_by_itself(refold: Run, kept: Path) -> None:
    upcast = '@upcast("cart.item-added", 1, to=2)\ndef with_gift(data):\n    return {**data, "gift": False}\n\n\n'
    shape = '@event("cart.item-added", version=2, upcasters=[with_gift])\nclass ItemAdded:\n    gift: bool\n'
    code = other(
        kept,
        ("    App, CannotUndo", "    upcast, App, CannotUndo"),
        ('@event("cart.item-added")\nclass ItemAdded:\n', upcast + shape),
        ("yield ItemAdded(command.sku,", "yield ItemAdded(False, command.sku,"),
    )
    assert found(refold, "--code", code, code=0) == []


def test_a_command_that_the_other_code_cannot_read_fails_there(refold: Run, kept: Path) -> None:
    (first, *_) = found(refold, "--code", other(kept, ("pieces: int", "pieces: int\n    gift: bool")))
    assert (first["verdict"], first["data"]) == ("fails", {"pieces": 4, "sku": "x"})
    assert first["new_error"].startswith("UsageError: the kept command 'cart.add' does not fit its class: ")


def test_nothing_is_written(refold: Run, kept: Path) -> None:
    with Store.open("sqlite:///shop.db") as store:
        before = store.head()
    assert redecide(refold, "--code", other(kept, ONE_MORE)).code == 1
    with Store.open("sqlite:///shop.db") as store:
        assert store.head() == before


@pytest.mark.parametrize(
    ("args", "code", "error"),
    [
        (["cart-c-1", "--category", "cart"], 2, "name a stream or a --category, and not both."),
        (["cart"], 2, "'cart' is no stream: it needs a category and an id"),
        (["--category", "cart-a"], 2, "'cart-a' is no category, which has no '-'."),
        (["cart-zzz"], 3, "there is no stream 'cart-zzz'"),
        (["order-1"], 3, "the app has no decider for category 'order': it has cart."),
        (["--code", "nowhere"], 2, "--code 'nowhere' is neither a directory nor a revision"),
    ],
)
def test_what_cannot_be_decided_is_told(refold: Run, args: list[str], code: int, error: str) -> None:
    done = redecide(refold, *args)
    assert (done.code, done.out) == (code, "")
    assert error in done.err


def test_it_needs_an_app(refold: Run) -> None:
    done = refold("redecide", "--store", "shop.db")
    assert (done.code, done.err) == (
        2, "refold: who decides? Name the application that has the deciders: --app module:name, or REFOLD_APP.\n",
    )  # fmt: skip


def test_a_fold_that_fails_on_its_history_is_told_with_the_place(refold: Run, kept: Path) -> None:
    broken = ("(event.qty if", "(event.quantity if")
    done = redecide(refold, "--code", other(kept, broken))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"refold: the code in {kept / 'other'} cannot decide again upon what the store keeps: ")
    assert "the fold of 'cart' fails on its history: AttributeError: " in done.err
    assert "This was at version 1 of stream 'cart-a'." in done.err


def test_apps_with_other_deciders_are_compared_by_category(refold: Run, kept: Path) -> None:
    code = other(kept, ('app = App(Decider("cart"', 'app = App(Decider("basket"'))
    done = redecide(refold, "--code", code)
    assert (done.code, done.out) == (2, "")
    assert "do not have the same deciders, which shows at cart-a@1:" in done.err
    told = {"$command": "cart.add", "$asked": '{"sku":"x","pieces":1}'}
    added = NewEvent(RawEvent("cart.item-added", {"sku": "x", "qty": 1}), metadata=Metadata("b", "b", free=told))
    with Store.open("sqlite:///shop.db") as store:
        store.append("basket-1", [added])
    assert "which shows at cart-a@1 and basket-1@1:" in redecide(refold, "--code", code).err
    assert found(refold, "--code", other(kept, ONE_MORE), "--category", "cart")


def test_ctrl_c_says_how_far_it_got(refold: Run, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = application("shop:app")
    assert app is not None
    decider = app.folds["cart"]
    assert isinstance(decider, Decider)
    calls = iter(range(3))

    def decide(command: object, state: Any) -> Any:
        if next(calls) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return decider.decide(command, state)

    decide.__annotations__ = {"command": sys.modules["shop"].Add}
    interrupted = Decider("cart", decider.initial, decider.evolve, decide)
    monkeypatch.setattr(app, "folds", {"cart": interrupted})
    done = redecide(refold)
    assert (done.code, done.out) == (130, "")
    assert done.err == "refold: stopped at event 1 of 6, after 1 command, 0 of them decided otherwise.\n"
