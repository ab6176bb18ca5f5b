"""What the help says is true: every example runs, and the reference says the same."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.cli.reference import PAGE, examples, page

from refold.cli.program import COMMANDS

EXAMPLES = [(name, example) for name in (None, *COMMANDS) for example in examples(name)]


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[f"{name}: {example}" for name, example in EXAMPLES])
def test_every_example_runs(refold: Run, directory: Path, name: str | None, example: str) -> None:
    if "--yes" in example:
        (directory / "events.jsonl").write_text("to be replaced\n")
    program, *args = shlex.split(example)
    done = refold(*args)
    assert (program, args[0], done.code, done.err.startswith("Usage")) == ("refold", name or args[0], 0, False), done


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_every_help_has_examples(name: str | None) -> None:
    assert len(examples(name)) >= 2


def test_the_reference_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), "the help has changed: run `python -m tests.cli.reference`"
