"""The page of the reference that tells every command: made from the commands' own help.

python -m tests.cli.reference    writes docs/reference/cli.md anew
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from refold.cli.program import COMMANDS, program

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"

_TOP: Final = """# Command line

Every command works on the store that `--store` names, a URL or the path of a SQLite file, or the environment variable
`REFOLD_STORE`; only `refold import`, `refold copy`, `refold restore` and `refold migrate` make one. Only the payload goes to
stdout: progress, notes, plans and errors go to stderr. `NO_COLOR` is heeded. What is no terminal is given UTF-8, whatever
the locale. What nobody foresaw is told in one line, too; `REFOLD_TRACEBACK=1` shows where it comes from.

`--output auto` is a table on a terminal and plain lines in a pipe. In JSON, lists are
`{"schema": 1, "data": [...], "next": cursor}`, where the cursor is what to go on with, and times are ISO 8601 in UTC; JSONL
is one object a line. Plain lines have their columns parted by tabs; of a single object they are one value a line, with its
JSON pointer before it.

This page is made from the commands' help: `python -m tests.cli.reference`.
"""


def names() -> tuple[str, ...]:
    """Every command; those of a group after it, as `projections list`."""
    return tuple(_names())


def _names() -> Iterator[str]:
    for name in COMMANDS:
        yield name
        command = _found(name)[0]
        if isinstance(command, click.Group):
            yield from (f"{name} {each}" for each in command.commands)


def help_of(name: str | None) -> str:
    """What `--help` prints for a command, or for `refold` itself."""
    command, context = _found(name)
    return command.get_help(context)


def _found(name: str | None) -> tuple[click.Command, click.Context]:
    command: click.Command | None = program
    context = click.Context(program, info_name="refold", terminal_width=100, **program.context_settings)
    for word in (name or "").split():
        assert isinstance(command, click.Group)
        command = command.get_command(context, word)
        assert command is not None
        context = click.Context(command, parent=context, info_name=word)
    assert command is not None
    return command, context


def examples(name: str | None) -> tuple[str, ...]:
    """The commands that the help of a command gives as examples."""
    return tuple(re.findall(r"^    (refold .+)$", help_of(name), re.MULTILINE))


def page() -> str:
    """The whole page."""
    return "\n".join(_parts())


def _parts() -> Iterator[str]:
    yield _TOP
    for name in (None, *names()):
        words = ["refold", *(name or "").split()]
        yield f"{'#' * max(2, len(words))} {' '.join(words)}\n\n```text\n{help_of(name).rstrip()}\n```\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
