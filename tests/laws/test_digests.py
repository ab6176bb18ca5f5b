"""Laws of the digest of what was applied: neither order nor cuts into steps and partitions change it, and it tells each event."""

from __future__ import annotations

from collections import Counter
from itertools import chain, pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from refold.flows.projections.applied import STRETCH, Applied, Digest, digest, digest_of, kept, places, together
from refold.flows.projections.builds import Build

BUILD = Build("any", 1, 1, "active", 0, 0, ())
FEW = st.lists(st.integers(1, 5 * STRETCH), max_size=60)
RUNS = st.builds(
    lambda first, size: list(range(first, first + size)), st.integers(1, 3 * STRETCH), st.integers(0, 1_500)
)
FAR = st.lists(st.integers(1, 2**40), max_size=10)
POSITIONS = st.one_of(FEW, RUNS, FAR, st.builds(lambda *parts: [*chain(*parts)], FEW, RUNS, FAR))


@given(POSITIONS)
def test_it_tells_each_position_that_came_and_each_that_came_twice(positions: list[int]) -> None:
    told = digest(positions)
    counts = Counter(positions)
    assert listed(told) == (sorted(counts), sorted(position for position, count in counts.items() if count > 1))


@given(POSITIONS, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(positions: list[int], random: Any) -> None:
    shuffled = random.sample(positions, len(positions))
    assert digest(shuffled) == digest(positions)


@given(POSITIONS, POSITIONS, POSITIONS)
def test_however_the_positions_are_cut_together_they_are_the_same(a: list[int], b: list[int], c: list[int]) -> None:
    whole = digest([*a, *b, *c])
    assert together(together(digest(a), digest(b)), digest(c)) == whole
    assert together(digest(c), together(digest(b), digest(a))) == whole


class Stored:
    """The rows of the digest, as the database keeps them, and a worker of each partition that adds to them step by step."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], tuple[bytes, bytes]] = {}
        self._workers: dict[int, Applied] = {}

    def step(self, first: int, positions: list[int]) -> None:
        worker = self._workers.setdefault(first, Applied())
        bits = worker.with_positions(positions)
        for statement in kept(BUILD, first, bits):
            values: Any = statement.params
            self.rows[first, values["stretch"]] = values["once"], values["twice"]
        worker.keep(bits)

    def restart(self, first: int, position: int) -> None:
        stretch = position // STRETCH
        found = [(its, *bits) for (its_first, its), bits in self.rows.items() if its_first == first and its >= stretch]
        self._workers[first] = Applied(found)

    @property
    def digest(self) -> Digest:
        return digest_of((stretch, *bits) for (_, stretch), bits in self.rows.items())


@given(
    st.sets(st.integers(1, 4 * STRETCH), max_size=300).map(sorted),
    st.lists(st.integers(0, 4 * STRETCH), max_size=12).map(sorted),
    st.integers(1, 4),
    st.sets(st.integers(0, 12)),
)
def test_however_the_work_was_cut_into_steps_and_partitions_the_digest_is_the_same(
    positions: list[int], cuts: list[int], parts: int, restarts: set[int]
) -> None:
    stored = Stored()
    for number, (after, until) in enumerate(pairwise([0, *cuts, 5 * STRETCH])):
        for first in range(parts):
            if number in restarts:
                stored.restart(first, after)
            stored.step(first, [each for each in positions if after < each <= until and each % parts == first])
    assert stored.digest == digest(positions)


@given(st.sets(st.integers(1, 3 * STRETCH), min_size=1, max_size=200).map(sorted), st.data())
def test_a_step_that_is_done_again_shows_as_doubled(positions: list[int], data: st.DataObject) -> None:
    again = data.draw(st.sampled_from(positions))
    stored = Stored()
    stored.step(0, positions)
    stored.restart(0, again)
    stored.step(0, [each for each in positions if each >= again])
    assert listed(stored.digest) == (positions, [each for each in positions if each >= again])


def listed(bits: Digest) -> tuple[list[int], list[int]]:
    """The positions that came, and those that came more than once."""
    once = [position for stretch, (its, _) in sorted(bits.items()) for position in places(stretch, its)]
    return once, [position for stretch, (_, its) in sorted(bits.items()) for position in places(stretch, its)]
