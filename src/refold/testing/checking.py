"""Check a projection on a history: pure handlers, and one read model, however the events come in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, Final, TypeAlias

from refold.columns import SqlValue
from refold.messages import Recorded
from refold.projection import Projection, by_stream
from refold.store import Store
from refold.testing.history import Growing, placed
from refold.testing.projections import as_seen
from refold.testing.purity import alone, watched

Contents: TypeAlias = Mapping[str, Sequence[tuple[SqlValue, ...]]]
"""The rows of each table."""

_MOST_SHOWN: Final = 5
_TABLES: Final = """
select name from sqlite_master where type = 'table' and name not in ('events', 'event_tags')
  and name not glob 'refold_*' and name not glob 'sqlite_*' order by name"""


def check_projection(projection: Projection, history: Iterable[object], *, seed: int = 0) -> None:
    """Build the read model of a history in several ways, each handler run twice, and compare all tables.

    `history`: events, those of `in_stream(...)`, or `Recorded` ones, as from `store.read()`. The ways: at once, one event
    after another, in pieces whose sizes follow from `seed`; and if the projection has a `key` of its own, with the keys in 2
    and in 3 parts. Its SQL is run by SQLite, in memory. Effects are caused.

    Raises:
        AssertionError: a handler looks at the clock, at randomness or at files, keeps something between calls, changes what it
            is given; or two ways lead to different rows. What a handler raises comes out as it is.
    """
    events = placed(history)
    first = [*_alone(projection, events)]
    by_twice = projection.remade(watched)
    expected = _built(by_twice, events, 1, ())
    for way, parts, sizes in _ways(projection, len(events), Random(seed)):  # noqa: S311 - cuts are no secret
        _compare(projection, way, expected, _built(by_twice, events, parts, sizes))
    _compare_alone(projection, first, [*_alone(projection, events)])


def _ways(projection: Projection, size: int, random: Random) -> Iterator[tuple[str, int, Sequence[int]]]:
    yield "one event after another", 1, [1] * size
    yield "in pieces", 1, _pieces(size, random)
    if projection.key is not by_stream:
        yield "with its keys in 2 parts", 2, ()
        yield "with its keys in 3 parts, in pieces", 3, _pieces(size, random)


def _pieces(size: int, random: Random) -> Sequence[int]:
    """Sizes that make up the whole: most are small, some are not."""
    found: list[int] = []
    while sum(found) < size:
        found.append(random.randint(1, random.choice((2, 10, max(2, size)))))
    return found


def _built(projection: Projection, events: Sequence[Recorded[Any]], parts: int, sizes: Iterable[int]) -> Contents:
    with Growing(events) as scratch:
        model = scratch.store.model(projection)
        model.catch_up()
        if parts > 1:
            model.repartition(parts)
        for size in sizes:
            scratch.grow(size)
            model.catch_up()
        scratch.grow()
        model.catch_up()
        return _contents(scratch.store)


def _contents(store: Store) -> Contents:
    names = [str(name) for (name,) in store.query(_TABLES)]
    return {name: store.query(f'select * from "{name}"') for name in names}  # noqa: S608 - a name that is there


def _compare(projection: Projection, way: str, expected: Contents, actual: Contents) -> None:
    for table, rows in expected.items():
        there, here = Counter(rows), Counter(actual[table])
        if there != here:
            raise AssertionError(
                f"projection {projection.name!r} leads to other rows of {table!r} {way} than at once\n"
                f"  at once: {_shown(there - here)}\n  {way}: {_shown(here - there)}"
            )


def _shown(rows: Counter[tuple[SqlValue, ...]]) -> str:
    """Those that the other way does not have, as far as they fit."""
    found = sorted(map(repr, rows.elements()))
    more = f" and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
    return (", ".join(found[:_MOST_SHOWN]) or "nothing that is not there too") + more


def _alone(projection: Projection, events: Sequence[Recorded[Any]]) -> Iterator[tuple[Recorded[Any], object]]:
    """What each handler does on its own, the last event first: what it knows of others it has kept from an earlier call."""
    for event in reversed(events):
        seen = as_seen(projection, event)
        cls = seen.data.__class__
        for handling in (projection.handlers.get(cls), projection.effecting.get(cls)):
            if handling is not None:
                yield seen, alone(handling, seen)


def _compare_alone(
    projection: Projection,
    before: Sequence[tuple[Recorded[Any], object]],
    after: Sequence[tuple[Recorded[Any], object]],
) -> None:
    for (event, first), (_, second) in zip(before, after, strict=True):
        if first != second:
            raise AssertionError(
                f"the handler of {event.type!r} in projection {projection.name!r} keeps something between calls: on the event at "
                f"position {event.position}, and nothing else, it gave {first!r}, and {second!r} after it had seen others."
            )
