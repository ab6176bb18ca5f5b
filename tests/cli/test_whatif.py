"""What if: events dropped, replaced and inserted, and the same history folded by other code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Run
from tests.cli.shop import PROGRAM, Outcome

from refold.store import Store


def whatif(refold: Run, *args: str, app: bool = True) -> Outcome:
    return refold("whatif", "cart-c-1", *args, "--store", "shop.db", *(["--app", "shop:app"] if app else []))


def found(refold: Run, *args: str) -> dict[str, Any]:
    done = whatif(refold, *args, "--output", "json")
    assert (done.code, done.err) == (0, "")
    read: dict[str, Any] = json.loads(done.out)
    return read


def test_what_if_an_event_had_not_happened(refold: Run) -> None:
    step = {"types": ["cart.item-added"], "version": 2, "instead": [], "diff": [_replaced("/items", 2, 3)]}
    assert found(refold, "--drop", "2") == {
        "stream": "cart-c-1",
        "version": 3,
        "actual": {"items": 3},
        "hypothetical": {"items": 2},
        "diff": [_replaced("/items", 2, 3)],
        "differing": 2,
        "steps": [step, {**step, "types": ["cart.noted"], "version": 3, "instead": None}],
    }


def _replaced(path: str, value: object, old: object) -> dict[str, object]:
    return {"op": "replace", "path": path, "value": value, "old": old}


def test_what_if_events_had_been_others(refold: Run, directory: Path) -> None:
    one, two = ({"type": "cart.item-added", "data": {"sku": "x", "qty": qty}, "schema_version": 1} for qty in (10, 20))
    (directory / "two.json").write_text(json.dumps([one, two]))
    told = found(refold, "--replace", "1=event.json", "--insert", "3=two.json", "--limit", "1")
    assert (told["hypothetical"], told["differing"]) == ({"items": 5 + 1 + 30}, 3)
    assert [step["version"] for step in told["steps"]] == [1]
    [*_, last] = found(refold, "--insert", "3=two.json")["steps"]
    assert [event["data"]["qty"] for event in last["instead"][1:]] == [10, 20]


@pytest.mark.parametrize("code", [[], ["--code", "."]], ids=["here", "other code"])
def test_what_is_inserted_after_one_version_stands_there_in_its_order(
    refold: Run, directory: Path, code: list[str]
) -> None:
    one, *more = ({"type": "cart.item-added", "data": {"sku": "x", "qty": qty}} for qty in (10, 20, 30))
    (directory / "one.json").write_text(json.dumps(one))
    (directory / "more.json").write_text(json.dumps(more))
    told = found(refold, "--insert", "1=one.json", "--insert", "3=one.json", "--insert", "1=more.json", *code)
    assert told["hypothetical"] == {"items": 3 + 60 + 10}
    assert [event["data"]["qty"] for event in told["steps"][0]["instead"]] == [2, 10, 20, 30]


def test_what_was_known_then_can_be_otherwise_too(refold: Run) -> None:
    assert found(refold, "--drop", "1", "--at", "1")["hypothetical"] == {"items": 0}


def test_without_an_app_the_data_are_merged(refold: Run) -> None:
    assert whatif(refold, "--drop", "2", app=False).out.splitlines()[2:6] == [
        '/actual/note\t"a [gift]\\nfor Bob"', "/actual/qty\t1", '/hypothetical/note\t"a [gift]\\nfor Bob"',
        "/hypothetical/qty\t2",
    ]  # fmt: skip


def test_it_is_shown_to_people(refold: Run) -> None:
    assert whatif(refold, "--drop", "2", "--limit", "1", "--output", "table").out == (
        "cart-c-1  version 3, as it is → as it would be\n~ /items  3 → 2\n2 steps differ:\n"
        "     2  cart.item-added  instead: nothing\n        ~ /items  3 → 2\n"
        "        ... 1 more: --limit shows them.\n"
    )


def test_nothing_is_written(refold: Run, directory: Path) -> None:
    with Store.open("sqlite:///shop.db") as store:
        before = store.head()
    for option in (["--drop", "1"], ["--insert", "0=event.json"], ["--code", "next"]):
        assert whatif(refold, *option).code == 0
    with Store.open("sqlite:///shop.db") as store:
        assert store.head() == before
    assert sorted(path.name for path in (directory / "next").iterdir()) == ["shop.py"]


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        ([], 2, "nothing would be otherwise"),
        (["--drop", "4"], 3, "stream 'cart-c-1' has no version 4: it is at version 3."),
        (["--drop", "4", "--code", "next"], 3, "stream 'cart-c-1' has no version 4: it is at version 3."),
        (["--drop", "1", "--replace", "1=event.json"], 2, "version 1 is both dropped and replaced"),
        (
            ["--drop", "1", "--replace", "1=event.json", "--code", "next"],
            2,
            "both dropped and replaced: say one of them.",
        ),
        (
            ["--replace", "1=event.json", "--replace", "1=event.json"],
            2,
            "version 1 is replaced twice: say one of them.",
        ),
        (["--replace", "event.json"], 2, "'event.json' is not VERSION=FILE"),
        (["--replace", "1=nothing.json"], 2, "'nothing.json' cannot be read"),
        (["--replace", "1=shop.py"], 2, "'shop.py' holds no event such as"),
        (["--replace", "1=none.json"], 2, "names a file of 0 events"),
        (["--insert", "1=other.json"], 2, "the fold of 'cart' takes in no event 'order.paid' of schema version 1."),
        (["--insert", "1=bad.json"], 2, "the data of an event 'cart.item-added' do not fit its class"),
        (["--code", "nowhere"], 2, "--code 'nowhere' is neither a directory nor a revision of a git repository here."),
    ],
)
def test_what_cannot_be_is_told(refold: Run, directory: Path, options: list[str], code: int, error: str) -> None:
    (directory / "none.json").write_text("[]")
    (directory / "other.json").write_text('{"type": "order.paid", "data": {}}')
    (directory / "bad.json").write_text('{"type": "cart.item-added", "data": {"sku": 1}}')
    done = whatif(refold, *options)
    assert (done.code, done.out) == (code, "")
    assert error in " ".join(done.err.split())


def test_an_event_in_an_older_shape_is_read_as_it_would_be_from_the_store(refold: Run, directory: Path) -> None:
    split = """
from refold import split


@split("cart.item-swapped", 1, into={"cart.item-removed": 1, "cart.item-added": 1})
def swapped(data):
    yield "cart.item-removed", {"sku": data["old"], "qty": data["qty"]}
    yield "cart.item-added", {"sku": data["new"], "qty": 2 * data["qty"]}
"""
    program = PROGRAM.replace('@event("cart.item-added")', split + '\n\n@event("cart.item-added", upcasters=[swapped])')
    (directory / "swapping").mkdir()
    (directory / "swapping" / "shop.py").write_text(program)
    (directory / "old.json").write_text('{"type": "cart.item-swapped", "data": {"old": "x", "new": "y", "qty": 1}}')
    (directory / "odd.json").write_text('{"type": "cart.item-swapped", "data": {"old": "x", "new": "y"}}')
    command = [
        sys.executable,
        "-c",
        "from refold.cli import main; main()",
        "whatif",
        "cart-c-1",
        "--store",
        "../shop.db",
    ]

    def told(*args: str) -> subprocess.CompletedProcess[str]:
        line = [*command, "--app", "shop:app", *args]
        return subprocess.run(line, cwd=directory / "swapping", capture_output=True, text=True, check=False)

    done = told("--replace", "1=../old.json", "--insert", "3=../old.json", "--output", "json")
    assert (done.returncode, done.stderr) == (0, "")
    (first, *_, last) = json.loads(done.stdout)["steps"]
    pair = [("cart.item-removed", 1), ("cart.item-added", 2)]
    assert [(each["type"], each["data"]["qty"]) for each in first["instead"]] == pair
    assert [(each["type"], each["data"].get("qty")) for each in last["instead"]] == [("cart.noted", None), *pair]
    odd = told("--replace", "1=../odd.json")
    assert odd.returncode == 2
    assert "the data of an event 'cart.item-swapped' do not fit its class: " in odd.stderr


# Other code -------------------------------------------------------------------


def test_other_code_folds_the_same_history(refold: Run) -> None:
    told = found(refold, "--code", "next")
    assert (told["actual"], told["hypothetical"], told["differing"]) == ({"items": 3}, {"items": 6}, 3)
    assert [step["diff"] for step in told["steps"]] == [[_replaced("/items", 2 * n, n)] for n in (2, 3, 3)]
    assert {step["instead"] for step in told["steps"]} == {None}


def test_other_code_folds_an_edited_history(refold: Run) -> None:
    told = found(refold, "--code", "next", "--drop", "2", "--insert", "3=event.json")
    assert told["hypothetical"] == {"items": 2 * (2 + 5)}


def test_where_the_same_code_folds_the_same_nothing_differs(refold: Run) -> None:
    told = found(refold, "--code", ".")
    assert (told["diff"], told["differing"], told["steps"]) == ([], 0, [])


def test_other_code_may_be_a_revision(refold: Run, directory: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("there is no git on this machine")
    unset = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    ada = {f"GIT_{who}_{what}": "ada@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    shop = directory / "shop.py"
    shop.write_text(PROGRAM.replace("(event.qty if", "(3 * event.qty if"))
    for command in (["init", "--quiet"], ["add", "shop.py"], ["commit", "--quiet", "--message", "Thrice"]):
        subprocess.run(["git", *command], env=unset | ada | {"GIT_CONFIG_GLOBAL": os.devnull}, check=True)
    shop.write_text(PROGRAM)
    assert found(refold, "--code", "HEAD")["hypothetical"] == {"items": 9}
    assert "neither a directory nor a revision" in whatif(refold, "--code", "HEAD~1").err


@pytest.mark.parametrize(
    ("program", "error"),
    [
        (None, "module 'shop' cannot be imported"),
        ("app = 1", "it is int, not refold.App"),
        (PROGRAM.replace("(event.qty if", "(event.quantity if"), "AttributeError: 'ItemAdded' object has no attribute"),
    ],
)
def test_other_code_that_cannot_be_run_is_told(refold: Run, directory: Path, program: str | None, error: str) -> None:
    (directory / "other").mkdir()
    if program:
        (directory / "other" / "shop.py").write_text(program)
    done = whatif(refold, "--code", "other")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"refold: the code in {directory / 'other'} cannot fold cart-c-1: ")
    assert error in done.err


def test_what_is_installed_does_not_pass_for_other_code(
    refold: Run, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "other").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(directory))
    assert "the module of 'shop:app' is not there" in whatif(refold, "--code", "other").err


def test_other_code_needs_an_app(refold: Run) -> None:
    assert whatif(refold, "--code", "next", app=False) == (
        2, "", "refold: --code needs an app to load: say --app MODULE:NAME.\n",
    )  # fmt: skip
