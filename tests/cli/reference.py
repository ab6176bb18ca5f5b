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

Every command reads the store that `--store` names, a URL or the path of a SQLite file, or the environment variable
`REFOLD_STORE`; it never makes one, but for `refold import`. Only the payload goes to stdout: progress, notes and errors
go to stderr. `NO_COLOR` is heeded.

`--output auto` is a table on a terminal and plain lines in a pipe. In JSON, lists are
`{"schema": 1, "data": [...], "next": cursor}`, where the cursor is what to go on with, and times are ISO 8601 in UTC; JSONL
is one object a line. Plain lines have their columns parted by tabs; of a single object they are one value a line, with its
JSON pointer before it.

This page is made from the commands' help: `python -m tests.cli.reference`.
"""


def help_of(name: str | None) -> str:
    """What `--help` prints for a command, or for `refold` itself."""
    top = click.Context(program, info_name="refold", terminal_width=100, **program.context_settings)
    command = program if name is None else program.get_command(top, name)
    assert command is not None
    return command.get_help(top if name is None else click.Context(command, parent=top, info_name=name))


def examples(name: str | None) -> tuple[str, ...]:
    """The commands that the help of a command gives as examples."""
    return tuple(re.findall(r"^    (refold .+)$", help_of(name), re.MULTILINE))


def page() -> str:
    """The whole page."""
    return "\n".join(_parts())


def _parts() -> Iterator[str]:
    yield _TOP
    for name in (None, *COMMANDS):
        yield f"## {'refold' if name is None else f'refold {name}'}\n\n```text\n{help_of(name).rstrip()}\n```\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
