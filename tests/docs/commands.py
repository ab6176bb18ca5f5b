"""`refold`, imported once for all pages: each of its commands runs in a fork of the process that has done so."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Final, Self

from click import Context

from refold.cli import main
from refold.cli.program import COMMANDS, program

SECONDS: Final = 60
"""After which a command is taken for one that hangs, and is ended."""


class Commands:
    """The process whose forks are the commands; they have an environment in common."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        command = [sys.executable, "-P", __file__]  # -P: beside this file stands a `site.py`, which is not Python's
        self._process = Popen(command, stdin=PIPE, stdout=PIPE, encoding="utf-8", env=environment)

    def run(self, words: Sequence[str], directory: Path, out: Path) -> int:
        """What a command ends with; all that it says is in `out`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([words, str(directory), str(out)]), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def _forked() -> None:
    """Run the command of each line of stdin in a fork, and tell what it ended with."""
    for name in COMMANDS:
        program.get_command(Context(program), name)  # which imports its module
    gc.freeze()  # else each fork would copy all that is here, looking for garbage
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become(*json.loads(line))
            main()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(words: list[str], directory: str, out: str) -> None:
    signal.alarm(SECONDS)
    os.chdir(directory)
    written = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), written, written)):
        os.dup2(file, number)
    sys.argv = words


if __name__ == "__main__":
    _forked()
