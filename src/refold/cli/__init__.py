"""The command line: one module a command, loaded when it is asked for."""

from __future__ import annotations

from refold.cli.program import program
from refold.cli.standard import prepare


def main() -> None:
    """What `refold` runs."""
    prepare()
    program()
