"""Writers and a runner at work, backups in the midst of them, and the judgement on each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from msgspec import Struct
from tests.backup.shop import EVENTS, Place, Placed, Reminded, opened, orders, reminders, rows_of, seen
from tests.faults.processes import until

from refold import RefoldError, Store
from refold.archive.threaded import stepped
from refold.backup.sources import backend_at
from refold.flows.contents import damages
from refold.rows import Row


class Acknowledged:
    """What writers were told: the highest position, and how many appends."""

    def __init__(self) -> None:
        self.head, self.count = 0, 0
        self._lock = threading.Lock()

    def told(self, position: int) -> None:
        with self._lock:
            self.head, self.count = max(self.head, position), self.count + 1


def begun(url: str) -> str:
    """A store in which the read model is made, so that every copy has it."""
    with opened(url) as store:
        store.catch_up(seen)
    return url


@contextmanager
def writers(url: str, number: int = 2) -> Generator[Acknowledged]:
    """Orders come, a runner projects them and lets a process set its timers, until the block is left."""
    stop, acknowledged, errors = threading.Event(), Acknowledged(), list[BaseException]()

    def write(who: int) -> None:
        try:
            with opened(url) as store:
                n = 0
                while not stop.is_set():
                    handled = store.bind(orders).handle(f"{who}-{n % 50}", Place(n), idempotency_key=f"{who}-{n}")
                    acknowledged.told(int(handled.position))
                    n += 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(who,)) for who in range(number)]
    with opened(url) as store, store.run(seen, reminders, orders):
        for thread in threads:
            thread.start()
        try:
            until("they write", lambda: acknowledged.count > 10 or errors)
            yield acknowledged
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert errors == []


class Verdict(Struct):
    """What is wrong with restored stores: one line for each thing."""

    restored: int = 0
    wrong: list[str] = []


def faults(url: str, live: Sequence[Row], acknowledged: int) -> list[str]:
    """What is wrong with a restored store: damaged, no beginning of the log, or its parts are not of one moment."""
    try:
        with backend_at(url, reads=True) as backend:
            found = [each.problem for each in stepped(damages(backend, lambda *_: None))]
        return found + _of_the_moment(url, live, acknowledged)
    except RefoldError as error:
        return [f"{type(error).__name__}: {error}"]


def _of_the_moment(url: str, live: Sequence[Row], acknowledged: int) -> list[str]:
    rows, found = rows_of(url), list[str]()
    if rows != live[: len(rows)]:
        found.append("it is not the beginning of the log")
    if len(rows) < acknowledged:
        found.append(f"it ends at {len(rows)}, and {acknowledged} was acknowledged before the backup began")
    with Store.open(f"{url}{'&' if '?' in url else '?'}mode=ro", events=EVENTS) as store:
        reached = max((each.position for each in store.projections() if each.name == "seen"), default=0)
        shown = _shown(store)
        placed = [
            e.position for e in store.read(category="order") if isinstance(e.data, Placed) and e.position <= reached
        ]
    if shown != placed:
        found.append(f"its read model stands at {reached}, and shows {len(shown)} of {len(placed)}")
    return found


def _shown(store: Store) -> list[int]:
    """The positions in the read model."""
    return sorted(int(str(position)) for (position,) in store.query("select position from seen"))


def catches_up(url: str) -> list[str]:
    """What is wrong when the projection has gone on from its checkpoint to the end."""
    with opened(url) as store:
        store.catch_up(seen)
        shown = _shown(store)
        placed = [int(e.position) for e in store.read(category="order") if isinstance(e.data, Placed)]
        reminded = [e for e in store.read(category="order") if isinstance(e.data, Reminded)]
    return [] if shown == placed and not reminded else ["its read model skipped something, or took it in twice"]


def copied_while_they_write(
    url: str, number: int, copy: Callable[[int], str], behind: Callable[[], int] | None = None
) -> Verdict:
    """Copy a store so many times beside writers, in whatever way, and judge each copy.

    `copy`: makes the copy of that number, and gives its URL. `behind`: how far what is copied goes, if it follows the store.
    """
    copies = list[tuple[str, int]]()
    with writers(url) as acknowledged:
        for n in range(number):
            before, count = behind() if behind else acknowledged.head, acknowledged.count
            copies.append((copy(n), before))
            until("they went on", lambda count=count: acknowledged.count > count)  # type: ignore[misc]
    live = rows_of(url)
    wrong = [
        f"{n}: {each}"
        for n, (copied, head) in enumerate(copies)
        for each in faults(copied, live, head) or catches_up(copied)
    ]
    return Verdict(len(copies), wrong)
