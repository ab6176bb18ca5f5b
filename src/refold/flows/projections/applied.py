"""Which events a read model has taken in: of each stretch of positions, a bit for each event, and one for each that came twice.

The digest does not depend on the order of events, costs a quarter of a byte for each, and tells by itself which one is
missing or doubled, however many there are: a sum of hashes would tell only that something is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from refold.flows.projections.builds import Build
from refold.ports import Backend, Own

STRETCH: Final = 1_024
"""How many positions one row of the digest tells about."""
_BYTES: Final = STRETCH // 8
_ALL: Final = (1 << STRETCH) - 1
_NEAR: Final = 16
"""Over so many stretches at most, positions are marked together."""
_ONE: Final = ord("1")

Digest: TypeAlias = Mapping[int, tuple[int, int]]
"""Of each stretch that has any: a bit for each position that came, and one for each that came more than once."""

KEEP: Final = """
insert into {refold}applied (projection, build, first_slot, stretch, once, twice)
values (:projection, :build, :first, :stretch, :once, :twice)
on conflict (projection, build, first_slot, stretch) do update set once = excluded.once, twice = excluded.twice"""
NEWEST: Final = f"""
select stretch, once, twice
from {{refold}}applied join {{refold}}partitions using (projection, build, first_slot)
where projection = :projection and build = :build and first_slot = :first and stretch >= position / {STRETCH}"""  # noqa: S608
"""Those that a step can still touch: one, or more of them where the checkpoint was put back."""
_OF_PARTITION: Final = """
select stretch, once, twice from {refold}applied where projection = :projection and build = :build and first_slot = :first
  and stretch between :low and :high order by stretch"""
# The key begins with the slot, so the stretches of each first slot are looked up for themselves.
_OF_ALL: Final = """
with recursive firsts (first) as (
  select min(first_slot) from {refold}applied where projection = :projection and build = :build
  union all
  select (select min(first_slot) from {refold}applied where projection = :projection and build = :build and first_slot > first)
  from firsts where first is not null)
select stretch, once, twice from firsts join {refold}applied on first_slot = first
where projection = :projection and build = :build and stretch between :low and :high"""


def digest(positions: Iterable[int]) -> Digest:
    """The digest of these positions: the same in whatever order they come."""
    listed = list(positions)
    if not listed:
        return {}
    first, size = listed[0], len(listed)
    if listed[-1] - first == size - 1 and listed == list(range(first, first + size)):  # the usual case: no holes
        return _cut(first // STRETCH, ((1 << size) - 1) << first % STRETCH)
    return _marked(listed, min(listed) // STRETCH, max(listed) // STRETCH) or _counted(listed)


def _marked(positions: Sequence[int], low: int, high: int) -> Digest | None:
    """The next most usual case, as digits of one number: positions near each other. `None` if some came twice."""
    if high - low > _NEAR:
        return None
    base = low * STRETCH
    marks = bytearray(b"0") * ((high - low + 1) * STRETCH)
    for position in positions:
        marks[~(position - base)] = _ONE
    bits = int(marks, 2)
    return _cut(low, bits) if bits.bit_count() == len(positions) else None


def _cut(stretch: int, bits: int) -> Digest:
    """Bits that begin with a stretch, by stretches."""
    found: dict[int, tuple[int, int]] = {}
    while bits:
        if here := bits & _ALL:
            found[stretch] = here, 0
        stretch, bits = stretch + 1, bits >> STRETCH
    return found


def _counted(positions: Iterable[int]) -> Digest:
    found: dict[int, tuple[int, int]] = {}
    for position in positions:
        stretch, place = divmod(position, STRETCH)
        found[stretch] = _added(found.get(stretch, (0, 0)), (1 << place, 0))
    return found


def together(one: Digest, other: Digest) -> Digest:
    """The digest of the positions of both."""
    return {**one, **{stretch: _added(one.get(stretch, (0, 0)), bits) for stretch, bits in other.items()}}


def _added(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] | other[0], one[1] | other[1] | (one[0] & other[0])


class Applied:
    """The bits of the stretches that steps can still touch: that of the checkpoint, and those after it, if there are any."""

    def __init__(self, rows: Iterable[tuple[Any, ...]] = ()) -> None:
        self._bits = digest_of(rows)

    def with_positions(self, positions: Iterable[int]) -> Digest:
        """The bits of each stretch that these positions touch, with them in it."""
        known = self._bits
        return {stretch: _added(known.get(stretch, (0, 0)), bits) for stretch, bits in digest(positions).items()}

    def keep(self, bits: Digest) -> None:
        """These are stored now; none before the newest of them is touched again."""
        if bits:
            newest, known = max(bits), {**self._bits, **bits}
            self._bits = {stretch: known[stretch] for stretch in known if stretch >= newest}


def digest_of(rows: Iterable[tuple[Any, ...]]) -> Digest:
    """The digest that stored rows are, together if several tell of one stretch."""
    found: dict[int, tuple[int, int]] = {}
    for stretch, once, twice in rows:
        bits = int.from_bytes(once, "little"), int.from_bytes(twice, "little")
        found[stretch] = _added(found.get(stretch, (0, 0)), bits)
    return found


def kept(build: Build, first: int, bits: Digest) -> list[Own]:
    """The statements that store them."""
    return [
        Own(
            KEEP,
            {
                **build.key,
                "first": first,
                "stretch": stretch,
                "once": once.to_bytes(_BYTES, "little"),
                "twice": twice.to_bytes(_BYTES, "little"),
            },
        )
        for stretch, (once, twice) in bits.items()
    ]


async def keeping(backend: Backend, build: Build, first: int, positions: Sequence[int]) -> list[Own]:
    """The statements that add positions to what is stored of a partition, wherever they stand."""
    if not positions:
        return []
    bounds = {"first": first, "low": min(positions) // STRETCH, "high": max(positions) // STRETCH}
    stored: Any = await backend.query(Own(_OF_PARTITION, {**build.key, **bounds}))
    return kept(build, first, Applied(stored).with_positions(positions))


async def stored_digest(backend: Backend, build: Build, low: int, high: int) -> Digest:
    """What is stored of the stretches `low` to `high`: of all partitions that there are, and those that there were."""
    rows: Any = await backend.query(Own(_OF_ALL, {**build.key, "low": low, "high": high}))
    return digest_of(rows)


def places(stretch: int, bits: int) -> list[int]:
    """The positions whose bits are set."""
    found: list[int] = []
    while bits:
        lowest = bits & -bits
        found.append(stretch * STRETCH + lowest.bit_length() - 1)
        bits ^= lowest
    return found
