"""How far a long command is: bars on a terminal, nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeAlias

from refold.cli.stopping import cleared_away

Tell: TypeAlias = Callable[[str, int, int], None]
"""Told the stage, how far it is, and how far it goes."""


@contextmanager
def progress() -> Generator[Tell]:
    """What a long command tells its progress. Until it is done, SIGTERM is as Ctrl-C."""
    with cleared_away():
        if not sys.stderr.isatty():
            yield _silent
            return
        from refold.cli.bars import Bars  # noqa: PLC0415 - rich is loaded when it is needed

        bars = Bars()
        with bars.progress:
            yield bars.tell


def _silent(stage: str, done: int, total: int) -> None:
    """Nobody watches."""
