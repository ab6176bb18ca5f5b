"""What the help says is true: every example runs, and the reference says the same."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from pathlib import Path

import pytest
from tests.cli.conftest import CaughtUp, Run
from tests.cli.reference import PAGE, examples, names, page

from refold.cli.exits import Exit
from refold.keys.opening import sealing_at

EXAMPLES = [(name, example) for name in (None, *names()) for example in examples(name)]


def finds(example: str) -> bool:
    """Whether it comes upon the note with brackets, or on types that the shop does not know, and tells so by its exit code."""
    if example.startswith("refold upcast check"):
        return "--all" in example
    return example.startswith(("refold dead-letters retry", "refold run")) and "--only" not in example


def prepare_http(refold: Run, args: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if args[0] in {"serve", "studio", "mcp"}:
        monkeypatch.setattr(
            "refold.cli.serve.run", lambda serving: serving.close()
        )  # which only ends when it is told to
    if args[:2] in (["token", "rotate"], ["token", "revoke"]):
        monkeypatch.setattr("refold.http.tokens.new_id", lambda: "0123456789abcdef")
        assert refold("token", "create", "shop", "--scope", "read", "--store", "shop.db").code == Exit.OK


def prepare_backup(refold: Run, args: list[str]) -> None:
    if args[0] == "restore" or "--restore" in args:
        assert refold("backup", "shop.backup", "--store", "shop.db").code == Exit.OK


def prepare_keys(args: list[str]) -> None:
    if args[0] == "forget":
        keys = sealing_at("sqlite:///shop-keys.db")
        keys.seal("customer:c-1", b"1")
        keys.close()


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[f"{name}: {example}" for name, example in EXAMPLES])
def test_every_example_runs(
    refold: Run,
    caught_up: CaughtUp,
    directory: Path,
    name: str | None,
    example: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "--yes" in example:
        (directory / "events.jsonl").write_text("to be replaced\n")
    program, *args = shlex.split(example)
    if args[0] == "cluster":
        args = args if "--" in args else [*args, "--", "true"]  # which ends by itself
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    prepare_http(refold, args, monkeypatch)
    prepare_backup(refold, args)
    prepare_keys(args)
    if args[0] == "demo":
        monkeypatch.setattr(tempfile, "tempdir", str(directory))  # where it leaves its store
    if args[0] in {"projections", "dead-letters"}:
        caught_up("shop:app", Exit.FINDINGS)
    if args[0] in {"processes", "timers"}:
        caught_up("shop:desk", Exit.OK)
    if args[0] == "redo":
        assert refold("undo", "cart-c-1@2", "--app", "shop:app", "--store", "shop.db", "--yes").code == Exit.OK
    if args[:2] in (["schema", "lock"], ["schema", "diff"]) and "--app" in args:
        assert refold("schema", "lock", "--app", "shop:app").code == Exit.OK
    if args[:2] == ["schedules", "remove"]:
        assert refold(*shlex.split(examples("schedules")[1])[1:]).code == Exit.OK
    done = refold(*args)
    if done.code == Exit.USAGE and "pip install" in done.err:
        pytest.skip(done.err.strip())
    words = (name or args[0]).split()
    assert (program, args[: len(words)], done.err.startswith("Usage")) == ("refold", words, False), done
    assert done.code == (Exit.FINDINGS if finds(example) else Exit.OK), done


@pytest.mark.parametrize("name", [None, *names()])
def test_every_help_has_examples(name: str | None) -> None:
    assert len(examples(name)) >= 2


def test_the_reference_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), "the help has changed: run `python -m tests.cli.reference`"
