"""Crews: threads here and in other processes that make histories together, in step over pipes.

As a program it is another process's crew: `python -m tests.postgres.crews URL SEED HISTORIES THREADS MOST`.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import IO

import msgspec
from tests.postgres.histories import Body, Tried, attempt, body, decided, observed

from refold import Store
from refold.messages import RawEvent

ROOT = Path(__file__).parents[2]
FEW = 2
"""So many requests of each writer, and a history is short: its streams have few events, and any version may be guessed."""


class Writers:
    """Threads that go through the histories together: no one begins the next before all have finished one.

    Each makes up to `most` requests in a history.
    """

    def __init__(self, url: str, seed: int, *, threads: int, most: int, step: Callable[[], None]) -> None:
        self.tried: list[Tried] = []
        self._url, self._seed, self._most = url, seed, most
        self._bodies: list[Body] = []
        self._barrier = threading.Barrier(threads, self._next(step))
        self._threads = threads
        self._errors: list[BaseException] = []

    def _next(self, step: Callable[[], None]) -> Callable[[], None]:
        def action() -> None:
            self._bodies.clear()
            step()

        return action

    def run(self, histories: Sequence[int]) -> None:
        """Go through them all."""
        stores = [Store.open(self._url, events=[RawEvent]) for _ in range(min(2, self._threads))]
        try:
            threads = [
                threading.Thread(target=self._writer, args=(stores[n % len(stores)], n, histories))
                for n in range(self._threads)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            for store in stores:
                store.close()
        if self._errors:
            raise self._errors[0]

    def _writer(self, store: Store, number: int, histories: Sequence[int]) -> None:
        random = Random(f"{self._seed} {number}")  # noqa: S311 - the same each time for a seed
        known: dict[str, int] = {}
        try:
            for history in histories:
                self._barrier.wait(60)
                known.clear()
                for _ in range(random.randint(1, self._most)):
                    self.tried.append(self._one(store, random, history, known))
                    known.update(_seen(self.tried[-1]))
        except BaseException as error:
            self._errors.append(error)
            self._barrier.abort()

    def _one(self, store: Store, random: Random, history: int, known: Mapping[str, int]) -> Tried:
        """An append, a read, or a command."""
        match random.choices(["append", "read", "command"], [8, 1, 1])[0]:
            case "append":
                return attempt(store, self._body(random, history, lambda: int(store.head()), known))
            case "read":
                return observed(store, random, history)
            case _:
                return decided(store, random, history)

    def _body(self, random: Random, history: int, head: Callable[[], int], known: Mapping[str, int]) -> Body:
        """Sometimes one that another writer of this process, or this one, has made already or is just making."""
        if self._bodies and random.random() < 0.2:
            return random.choice(self._bodies)
        made = body(random, history, head, known if self._most > FEW else None)
        self._bodies.append(made)
        return made


def _seen(one: Tried) -> Mapping[str, int]:
    """At which versions it found streams, or left them."""
    streams = [*(stream for stream, _, _ in one.body.writes), *(stream for stream, _ in one.body.looks)]
    left = dict(zip(streams, one.versions, strict=False))
    return left | {streams[place]: version for place, version in one.moved}


def recorded(url: str, seed: int, histories: int, *, crews: Sequence[int] = (3, 2), most: int = FEW) -> list[Tried]:
    """So many histories by crews of threads, the first of them here, each other in a process: every request of them."""
    Store.open(url).close()
    with ExitStack() as left:
        others = [
            left.enter_context(_elsewhere(url, seed + n, histories, crew, most)) for n, crew in enumerate(crews[1:], 1)
        ]

        def step() -> None:
            for _, outs in others:
                assert outs.readline() == b"here\n"
            for ins, _ in others:
                ins.write(b"go\n")
                ins.flush()

        writers = Writers(url, seed, threads=crews[0], most=most, step=step)
        writers.run(range(histories))
        told = [msgspec.json.decode(outs.read(), type=list[Tried]) for _, outs in others]
        return [one for tried in (writers.tried, *told) for one in tried]


@contextmanager
def _elsewhere(url: str, seed: int, histories: int, threads: int, most: int) -> Generator[tuple[IO[bytes], IO[bytes]]]:
    command = [sys.executable, "-m", "tests.postgres.crews", url, *map(str, (seed, histories, threads, most))]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin
        assert other.stdout
        try:
            yield other.stdin, other.stdout
        finally:
            other.kill()


def main(url: str, seed: int, histories: int, threads: int, most: int) -> None:
    """Another process's share."""

    def step() -> None:
        sys.stdout.buffer.write(b"here\n")
        sys.stdout.buffer.flush()
        if sys.stdin.buffer.readline() != b"go\n":
            raise SystemExit

    writers = Writers(url, seed, threads=threads, most=most, step=step)
    writers.run(range(histories))
    sys.stdout.buffer.write(msgspec.json.encode(writers.tried))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
