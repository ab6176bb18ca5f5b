"""G18: an event that cannot be applied parks its key; others go on, and the order of each key is kept.

Fifty keys, one of which has an event that no handler can take, somewhere in its middle. Runners share the work in four parts,
and all events come in a random order of keys. The other forty-nine finish, each in its order; of the one, all up to the
poison is there, and all behind it waits, in its order. When the handler is mended and the letters are retried, nothing is
missing, and nothing was turned round.
"""

from __future__ import annotations

import pytest
from tests.faults.poisoning import KEYS, poisoned
from tests.guarantees.seeding import named, seeded
from tests.guarantees.telling import tell

pytestmark = [pytest.mark.guarantee("G18")]


def poison(url: str, events: int) -> None:
    seed = seeded()
    retried = poisoned(url, events, seed)
    tell("G18", named(url), keys=KEYS, finished=KEYS - 1, events=events, parked=retried, out_of_order=0, seed=seed)


def test_one_poisoned_key_of_fifty_is_parked_and_all_others_finish_in_order(url: str) -> None:
    poison(url, 500)


@pytest.mark.long
def test_one_poisoned_key_of_fifty_holds_up_none_of_many_events(url: str) -> None:
    poison(url, 20_000)
