"""The peers, seen from here: a process each, asked by a line of JSON, answering with one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT, NotMade, python_of
from benchmarks.measuring import Clock, Lost, Run
from benchmarks.peers.asking import Asked


class Failed(Exception):
    """A peer could not do what it was asked to, and what it raised."""


@dataclass(frozen=True)
class Way:
    """One way of using a peer: its lock, its program, for which stores, and whether it is a library for Python alone.

    `works`: all that its program can, if none are named.
    """

    name: str
    lock: str
    program: str
    stores: Sequence[str]
    mode: str = ""
    in_python: bool = True
    works: Sequence[str] = ()


WAYS: Sequence[Way] = (
    Way("eventsourcing", "eventsourcing", "with_eventsourcing", ("sqlite", "postgresql")),
    Way(
        "eventsourcing, functions",
        "eventsourcing",
        "with_eventsourcing",
        ("postgresql",),
        mode="functions",
        works=("append", "command"),
    ),
    Way("eventsource-py", "eventsource-py", "with_eventsource_py", ("sqlite", "postgresql")),
    Way("umadb", "umadb", "with_umadb", ("postgresql",), in_python=False),
)
"""UmaDB is a server with a store of its own; it stands beside the other server."""
IN_PYTHON = frozenset(way.name for way in WAYS if way.in_python)


class Neighbour:
    """The process of one way of using a peer."""

    def __init__(self, way: Way, process: subprocess.Popen[str]) -> None:
        self.way, self._process = way, process
        hello = self._answer()
        self.versions: Mapping[str, str] = hello["versions"]
        self.works: Sequence[str] = way.works or hello["works"]

    def doing(self, asked: Asked) -> Run:
        """The run of this work, with place and count still to be said.

        Raises, when it is run:
            Lost: as its own verdict has it. Failed: it raised something else, or it is gone.
        """

        def run(place: str, clock: Clock, count: int) -> int:
            told = self._ask(replace(asked, place=place, count=count, mode=self.way.mode))
            if "lost" in told:
                raise Lost(told["lost"])
            if "failed" in told:
                raise Failed(told["failed"])
            clock.seconds += told["seconds"]
            clock.laps += told["laps"]
            return int(told["units"])

        return run

    def _ask(self, asked: Asked) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(asdict(asked)) + "\n")
            self._process.stdin.flush()
            return self._answer()
        except BrokenPipeError as error:
            raise Failed("its process is gone") from error

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Failed("its process has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def neighbours(note: Callable[[str], object], ways: Sequence[Way] = WAYS) -> Generator[Sequence[Neighbour]]:
    """All that can be had here, running; `note` is told of those that cannot, and why."""
    with ExitStack() as stack:
        found: list[Neighbour] = []
        for way in ways:
            try:
                found.append(stack.enter_context(_started(way, python_of(way.lock))))
            except (NotMade, Failed) as error:
                note(f"{way.name} is left out: {error}")
        yield found


@contextmanager
def _started(way: Way, python: Path) -> Generator[Neighbour]:
    command = [str(python), "-m", f"benchmarks.peers.{way.program}"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield Neighbour(way, process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def docs_of(way: Way) -> str:
    """How it is used: what its program says at its top."""
    text = (ROOT / "benchmarks" / "peers" / f"{way.program}.py").read_text("utf-8")
    return " ".join(text.split('"""')[1].split())
