"""A poisonous event in one key of many, whose work is shared in parts, and what has become of every key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from random import Random
from typing import Final

from tests.faults.processes import until

from refold import Projection, Recorded, Statement, Store, event, sql

KEYS: Final = 50
PARTS: Final = 4
POISONED: Final = "k7"
QUICK: Final = timedelta(seconds=0.4)


@event("parcel.scanned")
class Scanned:
    number: int
    poisonous: bool = False


def scans(*, mended: bool) -> Projection:
    """Every scan of every parcel, as they were applied."""
    projection = Projection(
        "scans",
        schema="create table scans (parcel text not null, number integer not null, nth integer not null)",
        key=lambda e: e.stream.id,
    )

    @projection.on(Scanned)
    def note(e: Recorded[Scanned]) -> Iterator[Statement]:
        if e.data.poisonous and not mended:
            raise ValueError("poison")
        yield sql(  # what it sees of its own key says when it came
            "insert into scans select :parcel, :number, count(*) from scans where parcel = :parcel",
            parcel=e.stream.id, number=e.data.number,
        )  # fmt: skip

    return projection


def applied(store: Store) -> Mapping[str, Sequence[int]]:
    """The scans of each parcel, in the order in which they came."""
    found: dict[str, list[int]] = defaultdict(list)
    for parcel, number in store.query("select parcel, number from scans order by parcel, nth, number"):
        found[str(parcel)].append(int(str(number)))
    return found


def poisoned(url: str, events: int, seed: int) -> int:
    """Let two runners take so many events, and say how many were parked until the handler was mended."""
    random, each = Random(seed), events // KEYS  # noqa: S311 - the same each time for a seed
    whole, at = list(range(each)), random.randrange(1, each // 2)
    with Store.open(url, events=[Scanned]) as store:
        store.catch_up(scans(mended=False))
        store.model(scans(mended=False)).repartition(PARTS)
        with (
            Store.open(url, events=[Scanned]) as other,
            store.run(scans(mended=False), lease=QUICK),
            other.run(scans(mended=False), lease=QUICK),
        ):
            for half in (whole[: each // 2], whole[each // 2 :]):
                for parcel, number in shuffled(random, half):
                    store.append(f"parcel-{parcel}", [Scanned(number, (parcel, number) == (POISONED, at))])
            until("all is done that can be", lambda: is_done(store))
        expected = {f"k{key}": whole for key in range(KEYS)} | {POISONED: whole[:at]}
        behind = [int(e.position) for e in store.read(f"parcel-{POISONED}") if e.data.number >= at]
        letters = [(letter.state, letter.position) for letter in store.model(scans(mended=False)).dead_letters()]
        there = applied(store)
        wrong = [f"of {key} came {there.get(key)}" for key in expected if there.get(key) != expected[key]]
        assert wrong == [], wrong
        parked = [("waiting" if number else "failed", position) for number, position in enumerate(behind)]
        assert letters == parked, f"parked is {letters}, not {parked}"
        retried = store.model(scans(mended=True)).retry()
        after = applied(store)
        assert (retried, after) == (each - at, {**expected, POISONED: whole}), f"{retried} were retried: {after}"
    return retried


def shuffled(random: Random, numbers: Sequence[int]) -> Iterator[tuple[str, int]]:
    """These scans of all parcels, in any order of parcels, and each parcel's in their order."""
    parcels, left = (
        [f"k{key}" for key in range(KEYS) for _ in numbers],
        {f"k{key}": iter(numbers) for key in range(KEYS)},
    )
    random.shuffle(parcels)
    return ((parcel, next(left[parcel])) for parcel in parcels)


def is_done(store: Store) -> bool:
    """Whether everything is applied or parked."""
    return store.model(scans(mended=False)).status().position == store.head()
