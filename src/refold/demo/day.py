"""One day of trade: visitors who come and go, staff who do their work, and a clock that both go by.

Everybody is a generator that acts and then yields how long it pauses; the day wakes whoever is due next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from random import Random
from typing import Final, TypeAlias

from refold.demo.orders import Line
from refold.testing import ManualClock

DAY: Final = datetime(2025, 3, 3, tzinfo=UTC)
OPENS: Final = DAY + timedelta(hours=9)
CLOSES: Final = DAY + timedelta(hours=18)
LAST_ARRIVAL: Final = timedelta(hours=8, minutes=15)

PRICES: Final = {
    "kettle": 89_00,
    "teapot": 39_00,
    "tray": 27_00,
    "oolong": 18_00,
    "sencha": 14_90,
    "cup": 12_50,
    "honey": 9_80,
    "filter": 6_50,
}
"""What the shop sells, and for how many cents."""

DELIVERIES: Final = {
    timedelta(minutes=-30): dict.fromkeys(PRICES, 90) | {"kettle": 25, "teapot": 40, "tray": 30},
    timedelta(hours=4): {"kettle": 15, "teapot": 20, "cup": 60},
}
"""When something arrives, and how much of it."""

VOUCHERS: Final = {"WELCOME": (10, 20), "TEATIME": (5, 15)}
"""Percent off, and how many redemptions."""

ENDS: Final = {"pays": 85, "is declined": 5, "leaves": 7, "forgets to pay": 3}
"""What visitors do in the end, and how many of a hundred."""

CUSTOMERS: Final = (
    "Alan", "Anita", "Barbara", "Bjarne", "Carol", "Dennis", "Donald", "Edith", "Edsger", "Elena", "Emmy", "Fatima",
    "Felix", "Frances", "Grace", "Guido", "Hedy", "Ivan", "James", "Joan", "John", "Karen", "Katherine", "Leslie",
    "Linus", "Margaret", "Mary", "Nadia", "Niklaus", "Noor", "Olga", "Per", "Radia", "Rosa", "Sofia", "Zoe",
)  # fmt: skip
"""All but Ada, who comes once, as `FEATURED`."""

Routine: TypeAlias = Iterator[timedelta]
"""Acts, yields how long it pauses, and is woken then."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What one visitor is going to do; `pace` is the time between two steps."""

    order: str
    customer: str
    arrives: timedelta
    pace: timedelta
    basket: tuple[Line, ...]
    drops: str = ""
    voucher: str = ""
    ends: str = "pays"


FEATURED: Final = Visit(
    order="1042",
    customer="Ada",
    arrives=timedelta(minutes=70),
    pace=timedelta(minutes=15),
    basket=(Line("teapot", 1, PRICES["teapot"]), Line("cup", 4, PRICES["cup"]), Line("tray", 1, PRICES["tray"])),
    drops="tray",
    voucher="WELCOME",
)
"""The visit that the demo looks at closely: nothing about it is left to chance."""


def visits(count: int, seed: int) -> Sequence[Visit]:
    """That many visits over the day; the same for the same seed. `FEATURED` is one of them."""
    random = Random(seed)  # noqa: S311 - a workload, no secret
    numbers = (str(1001 + i) for i in range(count))
    return [FEATURED if number == FEATURED.order else visit_of(number, random, ENDS) for number in numbers]


def visit_of(number: str, random: Random, ends: Mapping[str, int]) -> Visit:
    """A visit of anybody; `ends` says how many end in which way."""
    skus = random.sample(sorted(PRICES), random.choice((1, 2, 2, 3)))
    basket = tuple(Line(sku, random.choice((1, 1, 2, 3)), PRICES[sku]) for sku in skus)
    return Visit(
        order=number,
        customer=random.choice(CUSTOMERS),
        arrives=timedelta(seconds=random.randrange(LAST_ARRIVAL // timedelta(seconds=1))),
        pace=timedelta(seconds=random.randrange(30, 900)),
        basket=basket,
        drops=basket[0].sku if basket[1:] and random.randrange(6) == 0 else "",
        voucher=random.choice(("", "", *VOUCHERS)),
        ends=random.choices([*ends], [*ends.values()])[0],
    )


class Agenda:
    """Wakes whoever is due next."""

    def __init__(self) -> None:
        self.now = timedelta(0)
        """When the last one was woken."""
        self._due: list[tuple[timedelta, int, Routine]] = []
        self._joined = 0

    def join(self, when: timedelta, routine: Routine) -> None:
        """Somebody begins so long after the shop opens, or before."""
        self._joined += 1
        heappush(self._due, (when, self._joined, routine))

    @property
    def next(self) -> timedelta | None:
        """When somebody is due, if anybody is."""
        return self._due[0][0] if self._due else None

    def wake(self) -> None:
        """Let the next one act."""
        self.now, number, routine = heappop(self._due)
        pause = next(routine, None)
        if pause is not None:
            heappush(self._due, (self.now + pause, number, routine))


class Day(Agenda):
    """An agenda that goes by a clock, which it sets, until the shop closes."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(OPENS)

    def play(self) -> Iterator[datetime]:
        """Let the day pass, and tell the time after each step."""
        while self.next is not None and (moment := OPENS + self.next) < CLOSES:
            self.clock.set(moment)
            self.wake()
            yield moment
