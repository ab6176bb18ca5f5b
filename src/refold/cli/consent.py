"""Plans: what a command is about to change or remove is shown, and asked for, before it is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from refold.cli.saying import say
from refold.errors import Refused

F = TypeVar("F", bound=Callable[..., Any])

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Only show what would be done.")


def consented(plan: Sequence[str], *, yes: bool, dry_run: bool = False) -> bool:
    """Show the plan on stderr, and say whether to do it.

    Raises:
        Refused: nobody can be asked, and nobody said --yes.
    """
    for line in plan:
        say(line, err=True)
    if dry_run or yes:
        return not dry_run
    if not can_ask():
        raise Refused("nothing was done: say --yes to do it without being asked.")
    return click.confirm("Do it?", err=True)


def counted(count: int, what: str) -> str:
    """`1 event`, `2 events`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def can_ask() -> bool:
    """Whether somebody sits there."""
    return sys.stdin.isatty()
