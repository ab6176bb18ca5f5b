"""Copy a store into a new one, page by page, as whole as the target can write one; after whatever break, go on where it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import Final

from msgspec.structs import replace

from refold.copying.report import Copied
from refold.copying.stored import Arriving, Transform, id_of
from refold.errors import Archived, IdReused, NotACopy
from refold.flows.copying.transforming import became
from refold.flows.prepare import Runtime
from refold.messages import Position
from refold.ports import PAGE, Apart, Append, Appended, Backend, Batching, Selection, Write
from refold.query import AppendCondition, Query
from refold.rows import Row

Tell = Callable[[Copied], object]
"""Told after each page."""

MOST: Final = 200
"""How many events one append has before the next one begins: servers take no batch of any size."""


async def copy(
    source: Backend, target: Backend, runtime: Runtime, transform: Transform | None = None, tell: Tell | None = None
) -> Copied:
    """Copy what the target does not hold yet, to the end of the source. `runtime` is that of the target.

    Ids, times, stories, causes and actors are kept, so nothing but the target's own end tells how far it is.

    Raises:
        NotACopy: the target holds, or is given meanwhile, something that was not copied from this source.
        TransformFailed: the page of that event was not written.
    """
    if isinstance(target, Apart):
        target = target.events
    after, head = await place(source, target, transform)
    copied = Copied(0, 0, Position(after))
    while rows := await source.read(Selection(after=int(copied.position))):
        made = [each for row in rows if (each := became(transform, runtime, row))]
        try:
            head = await _write(target, runtime, made, head) if made else head
        except _Outrun:
            after, head = await _anew(source, target, transform, head)
            copied = replace(copied, position=Position(after))
            continue
        written = copied.written + sum(map(len, made))
        copied = Copied(copied.read + len(rows), written, Position(rows[-1].position))
        if tell is not None:
            tell(copied)
    return copied


async def place(source: Backend, target: Backend, transform: Transform | None) -> tuple[int, int]:
    """The position of the source up to which the target was copied, and the target's head.

    What one event becomes is written whole, and the first that it becomes keeps its id: so the last of the target's events
    whose id the source knows is the last one that was copied, but for some after it of which a transform made nothing.

    Raises:
        NotACopy: what the target ends in was not copied from the source.
        Archived: it may be something that is archived in the source, and no archive is open.
    """
    newest = await target.read(Selection(backward=True, limit=1 if transform is None else PAGE))
    if not newest:
        return 0, 0
    missed: Archived | None = None
    for back, row in enumerate(newest):
        try:
            known = await source.find([row.id])
        except Archived as error:  # or it is one that a transform made
            missed = missed or error
            continue
        if known:
            _check_made_of(row, newest[:back][::-1], missed)
            return known[0].position, newest[0].position
    raise missed or _foreign(newest[0])


def _check_made_of(first: Row, later: Sequence[Row], missed: Archived | None) -> None:
    for nth, row in enumerate(later, 1):
        if row.id != id_of(first.id, nth):
            raise missed or _foreign(row)


def _foreign(row: Row) -> NotACopy:
    return NotACopy(
        f"its event at position {row.position}, {row.type!r} of stream {row.stream!r}, was not copied from the source"
    )


# A page ------------------------------------------------------------------------------


class _Outrun(Exception):
    """Somebody else wrote to the target, be it another copy of the same source, or one that was killed as it wrote."""


async def _anew(source: Backend, target: Backend, transform: Transform | None, head: int) -> tuple[int, int]:
    """Where to go on if it was another copy that wrote after this head."""
    after, now = await place(source, target, transform)
    if now <= head:
        raise NotACopy(f"an event that belongs after its position {head} stands there already, elsewhere")
    return after, now


async def _write(target: Backend, runtime: Runtime, made: Sequence[Sequence[Arriving]], head: int) -> int:
    """Write a page if the target's head is still this one, and give its head after it.

    In one transaction; where there is none, append by append, each of which leaves something that can be gone on from.
    """
    appends = list(_appends(made))
    try:
        if isinstance(target, Batching):
            now = await target.append_in_turn(appends, head)
        else:
            now = await target.within(lambda inside: _whole(inside, runtime, appends, head))
    except IdReused as error:
        raise _Outrun from error
    if now is None:
        raise _Outrun
    return now


async def _whole(inside: Backend, runtime: Runtime, appends: Sequence[Append], head: int) -> int:
    before = head
    for append in appends:
        result = await inside.append(replace(append, checks=(AppendCondition(Query.all(), head),)))
        if not isinstance(result, Appended) or result.repeated:
            raise _Outrun
        head = result.positions[-1]
    if runtime.inline is not None:
        await runtime.inline.keep_up(inside, runtime, before, head)
    return head


def _appends(made: Iterable[Sequence[Arriving]]) -> Iterator[Append]:
    """One for each time of recording, which the port knows for a whole append alone, and no large one is cut within an event."""
    for recorded_at, run in groupby(made, key=lambda each: each[0].recorded_at):
        for part in _parts(run):
            yield Append(tuple(_writes(chain.from_iterable(part))), recorded_at)


def _parts(run: Iterable[Sequence[Arriving]]) -> Iterator[Sequence[Sequence[Arriving]]]:
    part: list[Sequence[Arriving]] = []
    events = 0
    for each in run:
        if part and events + len(each) > MOST:
            yield part
            part, events = [], 0
        part.append(each)
        events += len(each)
    yield part


def _writes(run: Iterable[Arriving]) -> Iterator[Write]:
    """In the order of the source, over all streams."""
    for stream, rows in groupby(run, key=lambda each: each.stream):
        yield Write(stream, tuple(each.row for each in rows))
