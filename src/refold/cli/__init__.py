"""The command line: one module a command, loaded when it is asked for."""

from __future__ import annotations

from refold.cli.program import program


def main() -> None:
    """What `refold` runs."""
    program()
