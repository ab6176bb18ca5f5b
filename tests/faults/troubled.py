"""Appends to a SQLite store whose disk makes trouble: what each was told, and whether that is what is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from random import Random
from typing import Any, Literal, Self, TypeAlias
from uuid import UUID

from tests.faults.filecalls import Watcher, watched

from refold import NewEvent, OutcomeUnknown, RawEvent, RefoldError, Store, StoreError

Told: TypeAlias = Literal["done", "refused", "unknown"]


class Troubled:
    """One store, by way of a watcher that makes the trouble, and everything that was wrong with what it told."""

    def __init__(self, url: str, watcher: Watcher, seed: int, *, only: type[StoreError] = StoreError) -> None:
        """`only`: what an append may be refused with."""
        self.url, self._watcher, self._seed, self._only = url, watcher, seed, only
        self.told: dict[int, Told] = {}
        self.counts = Counter[str]()
        self.wrong: list[str] = []
        self._stores = ExitStack()
        self._writer: Store | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> bool:
        """Open a store to write and one to read; whether that could be done."""
        with watched(self._watcher):
            try:
                self._writer = self._opened("")
                self._reader = self._opened("?mode=ro")
                _checkpoint_often(self._writer)
            except StoreError as error:
                self._expected(error)
                self.close()
        return self._writer is not None

    def _opened(self, query: str) -> Store:
        return self._stores.enter_context(Store.open(self.url + query, events=[RawEvent]))

    def close(self) -> None:
        """Close them."""
        self._writer = None
        self._stores.pop_all().close()

    def append(self, count: int) -> None:
        """So many appends; each is told something, and every reader sees nothing else."""
        for number in range(len(self.told), len(self.told) + count):
            self.told[number] = told = self._one(number)
            self.counts[told] += 1
            self._look()

    def _one(self, number: int) -> Told:
        assert self._writer
        try:
            self._writer.append(f"s-{number % 3}", self.events(number))
        except OutcomeUnknown:
            return "unknown"
        except StoreError as error:
            self._expected(error)
            return "refused"
        return "done"

    def _expected(self, error: StoreError) -> None:
        if not isinstance(error, self._only):
            self.wrong.append(f"it was refused with {type(error).__name__}: {error}")

    def events(self, number: int) -> Sequence[NewEvent[RawEvent]]:
        """Those of one append: always the same, with the same ids."""
        random = Random(f"{self._seed} {number}")  # noqa: S311 - the same for a seed
        return [
            NewEvent(RawEvent("X", {"n": number, "text": "x" * size}), id=UUID(int=number * 16 + part + 1))
            for part, size in enumerate(random.choices((10, 10, 400, 5_000), k=random.choice((1, 2, 3))))
        ]

    def _look(self) -> None:
        """Both stores show a state in which nothing is missing, and nothing is there by half."""
        assert self._writer
        for name, store in (("writer", self._writer), ("reader", self._reader)):
            self.wrong += [f"the {name} after {self.told}: {wrong}" for wrong in self._wrong_in(store)]

    def _wrong_in(self, store: Store) -> Iterator[str]:
        """What was done is there, what was refused is not, and what is unknown is whole."""
        try:
            there = Counter(event.data.data["n"] for event in store.read())
        except StoreError as error:
            yield f"nothing could be read: {type(error).__name__}: {error}"
            return
        for number, told in self.told.items():
            found, whole = there.pop(number, 0), len(self.events(number))
            if found not in {"done": {whole}, "refused": {0}, "unknown": {0, whole}}[told]:
                yield f"append {number} is {told}, and {found} of its {whole} events are there"
        if there:
            yield f"nobody appended {there}"

    def settle(self) -> int:
        """The trouble is over, the program has started anew: all is as it was told. Repeat all; so many were there already."""
        self.close()
        with Store.open(self.url, events=[RawEvent]) as store:
            self.wrong += [f"in the end: {wrong}" for wrong in self._wrong_in(store)]
            unknown = [self._repeated(store, number) for number, told in self.told.items() if told != "done"]
            self.told = dict.fromkeys(self.told, "done")
            self.wrong += [f"after all was repeated: {wrong}" for wrong in self._wrong_in(store)]
            self.wrong += [damage.problem for _, found in store.verify() for damage in found]
        return sum(unknown)

    def _repeated(self, store: Store, number: int) -> bool:
        was_there = bool(store.find(self.events(number)[0].id or UUID(int=0)))
        try:
            said: object = store.append(f"s-{number % 3}", self.events(number)).repeated
        except RefoldError as error:
            said = error
        if said is not was_there:
            self.wrong.append(f"append {number} was repeated, which says {said}; it was there: {was_there}")
        return was_there


def _checkpoint_often(store: Store) -> None:
    engine: Any = store._engine
    engine._writer.backend._db.pragma("wal_autocheckpoint", 16)
