"""`refold copy`: what it tells, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from refold import RawEvent, Store
from refold.cli.same import is_same
from refold.testing.postgres import PostgresServer

DIGEST = "d3fcf49af5e482400c536035b96e1949"
"""Of the shop, whose times and ids are known: what is stored must not change unseen."""
EQUAL = f"the copy is equal to its source: 6 events in 3 streams, digest {DIGEST}\n"

PLAN = """\
the source holds 6 events in 3 streams, up to position 6.
the transform makes of them 5 events in 3 streams.
the target holds 0 events in 0 streams: 5 events would be copied. Nothing was written.
transform: 1 dropped (events left out)
transform: 5 tags (events with other tags)
"""


def without_seconds(text: str) -> str:
    return re.sub(r"in [0-9.]+ s\b", "in ... s", text)


def test_a_store_is_copied_and_both_are_compared(refold: Run) -> None:
    code, out, err = refold("copy", "--from", "shop.db", "--to", "new.db")
    assert (code, without_seconds(out), err) == (0, "copied 6 events, up to position 6, in ... s\n" + EQUAL, "")
    code, out, err = refold("copy", "--from", "shop.db", "--to", "new.db")
    assert (code, without_seconds(out), err) == (0, "copied 0 events, up to position 6, in ... s\n" + EQUAL, "")
    assert refold("copy", "--from", "shop.db", "--to", "new.db", "--check") == (0, EQUAL, "")


def test_what_is_appended_meanwhile_comes_with_the_next_run(refold: Run) -> None:
    refold("copy", "--from", "shop.db", "--to", "new.db")
    with Store.open("sqlite:///shop.db", events=[RawEvent]) as store:
        store.append("order-1", [RawEvent("order.sent", {})])
    assert refold("copy", "--from", "shop.db", "--to", "new.db", "--check").code == 1
    done = refold("copy", "--from", "shop.db", "--to", "new.db")
    assert (done.code, done.out.startswith("copied 1 event, up to position 7, in ")) == (0, True)


def test_a_plan_writes_nothing(refold: Run, directory: Path) -> None:
    assert refold("copy", "--from", "shop.db", "--to", "new.db", "--transform", "shop:without_notes", "--dry-run") == (
        0,
        PLAN,
        "",
    )
    assert not (directory / "new.db").exists()


def test_a_plan_says_when_the_target_holds_something_else(refold: Run) -> None:
    refold("import", "log.csv", "--store", "new.db")
    done = refold("copy", "--from", "shop.db", "--to", "new.db", "--dry-run")
    assert (done.code, "stream 'case-1001': event 1 is too much: it should have 0, and has 2\n" in done.out) == (
        1,
        True,
    )
    code, out, err = refold("copy", "--from", "shop.db", "--to", "new.db")
    assert (code, out) == (7, "")
    assert err == (
        "refold: the target is no copy of the source: its event at position 3, 'application received' of stream 'case-1002', was "
        "not copied from the source. Copy into a new store, to which nobody else writes until it is done.\n"
    )


def test_a_transformed_copy_tells_what_was_changed(refold: Run) -> None:
    options = (
        "--from",
        "shop.db",
        "--to",
        "new.db",
        "--transform",
        "shop:without_notes",
        "--output",
        "json",
        "--streams",
    )
    done = refold("copy", *options, "--states", "--app", "shop:app")
    told = json.loads(done.out)
    assert told.pop("seconds") >= 0
    assert told.pop("expected") == told.pop("target")
    assert {name: held["events"] for name, held in told.pop("streams").items()} == {
        "cart-c-1": 2, "order-1": 2, "payment-1": 1,
    }  # fmt: skip
    assert (done.code, told) == (
        0,
        {
            "read": 6, "written": 5, "position": 6, "equal": True,
            "source": {"events": 6, "streams": 3, "digest": DIGEST},
            "changes": {"dropped": 1, "tags": 5}, "differing": 0, "differences": [],
            "states": {"compared": 1, "differing": 0, "incomparable": 0, "differences": []},
        },
    )  # fmt: skip


def test_a_difference_is_told_and_ends_with_1(refold: Run) -> None:
    refold("copy", "--from", "shop.db", "--to", "new.db", "--transform", "shop:without_notes")
    code, out, _ = refold("copy", "--from", "shop.db", "--to", "new.db", "--check", "--states", "--app", "shop:app")
    lines = out.splitlines()
    assert (code, lines[0]) == (
        1, f"the copy is NOT what it should be: 6 events in 3 streams, digest {DIGEST};",
    )  # fmt: skip
    assert lines[2:5] == [
        "stream 'cart-c-1': event 1 differs in tags",
        '  tags: should be [], is ["copied"]',
        "stream 'order-1': event 1 differs in tags",
    ]
    assert lines[-1] == "states: 1 compared, 0 differ"


def test_states_that_cannot_be_compared_or_folded_are_told_after_the_copy(refold: Run, directory: Path) -> None:
    program = """
from refold import App, Fold, RawEvent

class Plain: ...

def broken(state: Plain, event: RawEvent) -> Plain:
    raise KeyError(event.type)

app = App(Fold("cart", initial=Plain, evolve=lambda state, event: state, events=(RawEvent,)))
bad = App(Fold("cart", initial=Plain, evolve=broken))
"""
    (directory / "plain.py").write_text(program)
    done = refold("copy", "--from", "shop.db", "--to", "new.db", "--states", "--app", "plain:app")
    assert (done.code, done.err) == (1, "")
    assert done.out.splitlines()[1:] == [
        EQUAL.rstrip("\n"),
        "states: 0 compared, 0 differ",
        "states: 1 cannot be compared: give their class an __eq__, or fields that have a form in JSON",
    ]
    error = '{"error":"the fold raises KeyError: \'cart.item-added\'"}'
    done = refold("copy", "--from", "shop.db", "--to", "new.db", "--states", "--app", "plain:bad")
    assert (done.code, done.err) == (1, "")
    assert done.out.splitlines()[1:] == [
        EQUAL.rstrip("\n"),
        "states: 1 compared, 1 differ",
        f"state of 'cart-c-1': {error} became {error}",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "shop.db"], "--from and --to name one store, 'sqlite:///shop.db': copy into a new one."),
        (["--to", "n.db", "--check", "--dry-run"], "--follow, --check and --dry-run exclude each other: take one."),
        (["--to", "n.db", "--transform", "shop"], "--transform 'shop': write MODULE:FUNCTION, as in --transform moving:split."),
        (["--to", "n.db", "--transform", "shop:no"], "--transform 'shop:no': there is no such name in it."),
        (["--to", "n.db", "--transform", "shop:not_an_app"], "--transform 'shop:not_an_app': it is int, not a function."),
        (
            ["--to", "n.db", "--transform", "nowhere:f"],
            "--transform 'nowhere:f': module 'nowhere' cannot be imported: ModuleNotFoundError: No module named 'nowhere'.",
        ),
        (["--to", "n.db", "--states"], "--states needs to know the folds: name the application with --app MODULE:NAME."),
    ],
)  # fmt: skip
def test_a_wrong_call_is_told_before_anything_is_made(
    refold: Run, directory: Path, options: list[str], message: str
) -> None:
    assert refold("copy", "--from", "shop.db", *options) == (2, "", f"refold: {message}\n")
    assert not (directory / "n.db").exists()


def test_stores_that_are_not_there_are_told(refold: Run, directory: Path) -> None:
    assert refold("copy", "--from", "none.db", "--to", "n.db").code == 5
    assert refold("copy", "--from", "shop.db", "--to", "n.db", "--check").code == 5
    assert not (directory / "n.db").exists()


def test_a_copy_that_follows_ends_with_ctrl_c_compared(directory: Path) -> None:
    command = [sys.executable, "-m", "refold", "copy", "--from", "shop.db", "--to", "new.db", "--follow"]
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "refold: copied up to position 6; following until Ctrl-C.\n"
        with (
            Store.open(f"sqlite:///{directory}/shop.db", events=[RawEvent]) as shop,
            Store.open(f"sqlite:///{directory}/new.db?mode=ro", events=[RawEvent]) as new,
        ):
            shop.append("order-1", [RawEvent("order.sent", {})])
            assert new.wait(6, timeout=30) == 7
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "refold: copying what is left, then comparing.\n")
    first, second, *_ = out.splitlines()
    assert first.startswith("copied 7 events, up to position 7, in ")
    assert second.startswith("the copy is equal to its source: 7 events in 3 streams, digest ")


def test_a_store_is_not_copied_onto_itself_however_it_is_named(refold: Run, directory: Path) -> None:
    (directory / "link.db").symlink_to("shop.db")
    (directory / "hard.db").hardlink_to("shop.db")
    for target in ("shop.db", "./shop.db", f"{directory}/shop.db", "link.db", "hard.db", "shop.db?busy_timeout=3"):
        for way in ((), ("--check",), ("--dry-run",)):
            code, out, err = refold("copy", "--from", "shop.db", "--to", target, *way)
            assert (code, out) == (2, ""), target
            assert err == "refold: --from and --to name one store, 'sqlite:///shop.db': copy into a new one.\n"


def test_a_postgresql_store_is_not_copied_onto_itself_however_it_is_named(
    refold: Run, postgres: PostgresServer
) -> None:
    url = postgres.new_database()
    assert refold("copy", "--from", "shop.db", "--to", url).code == 0
    mark = "&" if "?" in url else "?"
    assert refold("copy", "--from", url, "--to", f"{url}{mark}application_name=x").code == 2
    assert refold("copy", "--from", url, "--to", f"{url}{mark}schema=other").code == 0
    assert refold("copy", "--from", url, "--to", "postgresql://127.0.0.1:1/x?connect_timeout=1", "--dry-run").code == 0
    postgres.drop(url)


def test_jetstream_stores_are_one_if_they_have_their_name_and_a_server_in_common() -> None:
    store = "nats://one:4222,two:4222/shop"
    assert is_same(store, "nats://two:4222/shop?models=sqlite:///m.db")
    assert not is_same(store, "nats://two:4222/other")
    assert not is_same(store, "nats://three:4222/shop")
    assert not is_same(store, "sqlite:///shop.db")
