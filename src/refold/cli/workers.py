"""Workers: processes that run one projection beside this one, and end with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Final, Self

from refold.cli.models import Models
from refold.cli.progress import Tell
from refold.errors import ProjectionStopped, RefoldError
from refold.flows.projections.status import ProjectionStatus

_LOOK: Final = 0.2
"""Seconds between two looks at how far they are."""
_PATIENCE: Final = 30
"""Seconds that a worker may take for its last step."""


class WorkerEnded(RefoldError):
    """A process ended before its work was done; the sentence says what it said last."""


class Workers:
    """So many processes `refold run --only NAME`. What may hold a password is handed over by the environment."""

    def __init__(self, count: int, name: str, *, url: str, into: str | None, app: str | None) -> None:
        self._count, self.name = count, name
        given = {"REFOLD_STORE": url, "REFOLD_INTO": into, "REFOLD_APP": app}
        self._environment = os.environ | {variable: value for variable, value in given.items() if value is not None}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._said: list[IO[bytes]] = []
        self._stack = ExitStack()

    def start(self) -> None:
        """Let them begin."""
        command = [sys.executable, "-m", "refold", "run", "--only", self.name, "--output", "jsonl"]
        for _ in range(self._count):
            said: IO[bytes] = self._stack.enter_context(TemporaryFile())  # noqa: SIM115 - it is entered
            self._said.append(said)
            self._processes.append(
                subprocess.Popen(  # noqa: S603 - this program
                    command, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
                )
            )

    def check(self) -> None:
        """Raises `WorkerEnded` if one has ended by itself."""
        for process, said in zip(self._processes, self._said, strict=True):
            if process.poll() is not None:
                said.seek(0)
                last = said.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
                raise WorkerEnded(f"a worker ended with {process.returncode}: {last or 'it said nothing'}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._stack.close()


def built_by(workers: Workers, models: Models, number: int, tell: Tell) -> None:
    """Return when a build that runners work on has taken its place.

    Raises:
        ProjectionStopped: it is paused, or failed.
        WorkerEnded: a worker ended.
    """
    workers.start()
    while (build := _build(models.statuses(), workers.name, number)) is not None and build.role == "building":
        if build.state != "running":
            raise ProjectionStopped(build.name, build.state, build.reason, build.position)
        workers.check()
        tell("rebuild", sum(part.position for part in build.partitions) // len(build.partitions), build.head)
        time.sleep(_LOOK)


def _build(statuses: Sequence[ProjectionStatus], name: str, number: int) -> ProjectionStatus | None:
    return next((each for each in statuses if (each.name, each.build) == (name, number)), None)
