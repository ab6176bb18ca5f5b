"""Storms of repeats: two clients ask for the same at the same time, again and again, whatever becomes of their answers."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from typing import Any, Final, TypeAlias
from uuid import UUID

import apsw
from msgspec import Struct
from tests.faults.processes import Process, tell, until

from refold import IdReused, KeyReused, NewEvent, OutcomeUnknown, RawEvent, Store, StoreError
from refold.testing.contract.sample import Deposit, Deposited, accounts

Answer: TypeAlias = tuple[int, ...]
"""The version and the positions; of a command, its position and the state, too."""
EVENTS: Final = (RawEvent, Deposited)


class Request(Struct, frozen=True):
    """What is asked for, always with the same ids or key. `amount`: so much is deposited by a command; 0, it is an append."""

    number: int
    stream: str
    ids: tuple[UUID, ...] = ()
    amount: int = 0

    def ask(self, store: Store, *, otherwise: int = 0) -> Answer:
        """Ask for it. `otherwise`: under the same ids or key, but with another body."""
        if self.amount:
            command, key = Deposit(self.amount + otherwise), f"request {self.number}"
            handled = store.bind(accounts).handle(self.stream, command, idempotency_key=key)
            return handled.version, handled.position, handled.state
        events = [NewEvent(RawEvent("X", {"n": self.number, "other": otherwise}), id=id) for id in self.ids]
        receipt = store.append(f"s-{self.stream}", events)
        return receipt.version, *map(int, receipt.positions)


def request(seed: int, number: int) -> Request:
    """The n-th of a storm."""
    random = Random(f"{seed} {number}")  # noqa: S311 - the same for a seed
    stream = str(random.randrange(7))
    if random.random() < 0.4:
        return Request(number, stream, amount=1_000 * number + 1)  # no other request has this amount
    return Request(number, stream, tuple(UUID(int=random.getrandbits(128)) for _ in range(random.choice([1, 1, 3]))))


class Storm:
    """So many requests by pairs of clients, each asked for until it is answered, and then `again` so many times."""

    def __init__(self, stores: Sequence[Store], seed: int, requests: int, *, again: int) -> None:
        self.told = Counter[str]()
        self.wrong: list[str] = []
        self.answers: dict[int, set[Answer]] = defaultdict(set)
        self._stores, self._again = stores, again
        self.requests = [request(seed, number) for number in range(requests)]
        self._seed, self._lock = seed, threading.Lock()

    def run(self, pairs: int) -> None:
        """Let so many pairs share the requests."""
        threads = list[threading.Thread]()
        for pair in range(pairs):
            meeting = threading.Barrier(2)
            threads += [threading.Thread(target=self._safely, args=(pair, pairs, side, meeting)) for side in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _safely(self, pair: int, pairs: int, side: int, meeting: threading.Barrier) -> None:
        try:
            self._client(pair, pairs, side, meeting)
        except BaseException as error:
            self.wrong.append(f"{type(error).__name__}: {error}")
            meeting.abort()

    def _client(self, pair: int, pairs: int, side: int, meeting: threading.Barrier) -> None:
        random = Random(f"{self._seed} {pair} {side}")  # noqa: S311 - the same for a seed
        store = self._stores[side % len(self._stores)]
        mine = self.requests[pair::pairs]
        for turn, wanted in enumerate(mine):
            meeting.wait(120)  # both ask at the same time
            self._until_answered(store, wanted)
            for _ in range(self._again):
                self._until_answered(
                    random.choice(self._stores), random.choice([wanted, mine[random.randrange(turn + 1)]])
                )
            if random.random() < 0.2:
                self._otherwise(store, wanted)

    def _until_answered(self, store: Store, wanted: Request) -> None:
        while (answer := self._asked(store, wanted)) is None:
            pass
        with self._lock:
            self.answers[wanted.number].add(answer)

    def _asked(self, store: Store, wanted: Request, *, otherwise: int = 0) -> Answer | None:
        try:
            answer = wanted.ask(store, otherwise=otherwise)
        except (OutcomeUnknown, StoreError) as error:
            with self._lock:
                self.told["unknown" if isinstance(error, OutcomeUnknown) else "failed"] += 1
            return None
        with self._lock:
            self.told["answered"] += 1
        return answer

    def _otherwise(self, store: Store, wanted: Request) -> None:
        """What stands under the ids or the key is something else, and that is said."""
        while True:
            try:
                if (answer := self._asked(store, wanted, otherwise=7)) is not None:
                    self.wrong.append(f"another body under the ids or key of {wanted} was answered with {answer}")
                    return
            except (IdReused, KeyReused):
                with self._lock:
                    self.told["reused"] += 1
                return

    # What came of it ----------------------------------------------------------------------------------------------

    def judged(self, store: Store) -> list[str]:
        """All that is wrong: what was told of it, and what is in the log."""
        there: dict[int, list[Answer]] = defaultdict(list)
        for event in store.read():
            data: Any = event.data
            number = (data.amount - 1) // 1_000 if isinstance(data, Deposited) else data.data["n"]
            there[number].append((event.version, int(event.position)))
        found = [self._wrong(wanted, there[wanted.number], self.answers[wanted.number]) for wanted in self.requests]
        return [what for wrong in found for what in wrong] + self.wrong

    def _wrong(self, wanted: Request, events: Sequence[Answer], answers: set[Answer]) -> list[str]:
        times = len(events) / (len(wanted.ids) or 1)
        if times != 1:
            return [f"{wanted} stands there {times:g} times"]
        if len(answers) != 1:
            return [f"{wanted} was answered with {answers}"]
        positions = tuple(position for _, position in events)
        told = next(iter(answers))
        said = told[1:2] if wanted.amount else told[1:]
        return [] if (told[0], *said) == (events[-1][0], *positions) else [f"{wanted}: {told}, and there is {events}"]

    def figures(self) -> dict[str, int]:
        """How much was asked; what was asked for the first time is no repeat."""
        requests = len(self.requests)
        return {"requests": requests, "repeats": self.told.total() - requests, **self.told}


class UncertainCommits:
    """A SQLite connection, of whose commits some end with an I/O error: the file has it, or has it not."""

    def __init__(self, db: apsw.Connection, random: Random, rate: float) -> None:
        self._db, self._random, self._rate = db, random, rate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def execute(self, statement: str, *args: Any, **options: Any) -> Any:
        """Let a commit fail."""
        if statement != "commit" or self._random.random() >= self._rate:
            return self._db.execute(statement, *args, **options)
        self._db.execute(self._random.choice(["commit", "rollback"]))
        raise apsw.IOError("disk I/O error")


def uncertain(store: Store, seed: int, rate: float) -> Callable[[], None]:
    """From now on so many of the store's commits fail. Gives what ends that."""
    engine: Any = store._engine
    backend: Any = engine._writer.backend
    whole = backend._db
    backend._db = UncertainCommits(whole, Random(seed), rate)  # noqa: S311 - the same for a seed
    return lambda: setattr(backend, "_db", whole)


# Clients that are killed ----------------------------------------------------------------------------------------------


def ask_on(url: str, seed: int, first: int) -> None:
    """Ask for one after another, and tell each answer."""
    with Store.open(url, events=EVENTS) as store:
        for number in count(first):
            tell(str(number), *request(seed, number).ask(store))


def killed(url: str, seed: int, kills: int) -> Storm:
    """Two clients at a time ask for the same, until both are killed; those that come next ask for the last ones again."""
    random, at = Random(seed), 0  # noqa: S311 - the same for a seed
    found, asked = list[tuple[int, Answer]](), 0
    Store.open(url).close()
    for _ in range(kills):
        with (
            Process(ask_on, url=url, seed=seed, first=at) as one,
            Process(ask_on, url=url, seed=seed, first=at) as other,
        ):
            until("both are answered", lambda: one.told and other.told)
            time.sleep(random.uniform(0, 0.03))  # the moment of the kill is what is random here
            for client in (one, other):
                client.send(signal.SIGKILL)
        lines = [[int(word) for word in line.split()] for client in (one, other) for line in client.told]
        found += [(number, tuple(answer)) for number, *answer in lines]
        asked, at = max(number for number, *_ in lines) + 2, max(0, max(number for number, *_ in lines) - 2)
    return _asked_again(url, Storm((), seed, asked, again=0), found)


def _asked_again(url: str, storm: Storm, found: Sequence[tuple[int, Answer]]) -> Storm:
    """Ask for all once more: what was told to those who were killed is told again."""
    with Store.open(url, events=EVENTS) as store:
        found = [*found, *((wanted.number, wanted.ask(store)) for wanted in storm.requests)]
        for number, answer in found:
            storm.answers[number].add(answer)
        storm.told["answered"] = len(found)
        storm.wrong += storm.judged(store)
    return storm
