"""`refold diagram`: the picture of an application, to stdout or to a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Run

from refold.cli.exits import Exit


@pytest.mark.parametrize(("options", "begins"), [((), "<svg "), (("--format", "mermaid"), "flowchart LR\n")])
def test_it_is_drawn_to_stdout_or_to_a_file_that_is_replaced_only_on_demand(
    refold: Run, directory: Path, options: tuple[str, ...], begins: str
) -> None:
    out = refold("diagram", "--app", "shop:app", *options)
    first = refold("diagram", "model.txt", "--app", "shop:app", *options)
    again = refold("diagram", "model.txt", "--app", "shop:app", *options)
    anyway = refold("diagram", "model.txt", "--app", "shop:app", "--yes", *options)
    assert (out.code, out.out.startswith(begins), "cart.item-added" in out.out) == (Exit.OK, True, True)
    assert [first.code, again.code, anyway.code] == [Exit.OK, Exit.REFUSED, Exit.OK]
    assert (directory / "model.txt").read_text("utf-8") == out.out


def test_without_an_application_it_says_how_to_name_one(refold: Run) -> None:
    done = refold("diagram")
    assert (done.code, "--app module:name" in done.err) == (Exit.USAGE, True)


def test_a_file_that_cannot_be_written_is_told(refold: Run) -> None:
    done = refold("diagram", "no/such/place.svg", "--app", "shop:app")
    assert (done.code, "cannot be written" in done.err) == (Exit.USAGE, True)
