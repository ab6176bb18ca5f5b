"""Copy a store into a new one, page by page, each in one transaction; after whatever break, go on where it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from refold.copying.report import Copied
from refold.copying.stored import Arriving, Transform, id_of
from refold.errors import IdReused, NotACopy
from refold.flows.copying.transforming import became
from refold.flows.prepare import Runtime
from refold.messages import Position
from refold.ports import PAGE, Append, Appended, Backend, Selection, Write
from refold.query import AppendCondition, Query
from refold.rows import Row

Tell = Callable[[Copied], object]
"""Told after each page."""


async def copy(
    source: Backend, target: Backend, runtime: Runtime, transform: Transform | None = None, tell: Tell | None = None
) -> Copied:
    """Copy what the target does not hold yet, to the end of the source. `runtime` is that of the target.

    Ids, times, stories, causes and actors are kept, so nothing but the target's own end tells how far it is.

    Raises:
        NotACopy: the target holds, or is given meanwhile, something that was not copied from this source.
        TransformFailed: the page of that event was not written.
    """
    after, head = await place(source, target, transform)
    copied = Copied(0, 0, Position(after))
    while rows := await source.read(Selection(after=int(copied.position))):
        arriving = [each for row in rows for each in became(transform, runtime, row)]
        if arriving:
            head = await _write(target, runtime, arriving, head)
        copied = Copied(copied.read + len(rows), copied.written + len(arriving), Position(rows[-1].position))
        if tell is not None:
            tell(copied)
    return copied


async def place(source: Backend, target: Backend, transform: Transform | None) -> tuple[int, int]:
    """The position of the source up to which the target was copied, and the target's head.

    A page is written whole, and the first event that one becomes keeps its id: so the last of the target's events whose
    id the source knows is the last one that was copied, but for some after it of which a transform made nothing.

    Raises:
        NotACopy: what the target ends in was not copied from the source.
    """
    newest = await target.read(Selection(backward=True, limit=1 if transform is None else PAGE))
    if not newest:
        return 0, 0
    known = {row.id: row for row in await source.find([row.id for row in newest])}
    for back, row in enumerate(newest):
        if row.id in known:
            _check_made_of(row, newest[:back][::-1])
            return known[row.id].position, newest[0].position
    raise _foreign(newest[0])


def _check_made_of(first: Row, later: Sequence[Row]) -> None:
    for nth, row in enumerate(later, 1):
        if row.id != id_of(first.id, nth):
            raise _foreign(row)


def _foreign(row: Row) -> NotACopy:
    return NotACopy(
        f"its event at position {row.position}, {row.type!r} of stream {row.stream!r}, was not copied from the source"
    )


async def _write(target: Backend, runtime: Runtime, arriving: Sequence[Arriving], head: int) -> int:
    """Write a page, if the target's head is still this one; and give its head after it."""

    async def write(inside: Backend) -> int:
        if await inside.head() != head:
            raise _written_meanwhile(head)
        last = head
        for append in _appends(arriving, head):
            result = await inside.append(append)
            if not isinstance(result, Appended) or result.repeated:
                raise _written_meanwhile(head)
            last = result.positions[-1]
        if runtime.inline is not None:
            await runtime.inline.keep_up(inside, runtime)
        return last

    try:
        return await target.within(write)
    except IdReused as error:
        raise _written_meanwhile(head) from error


def _written_meanwhile(head: int) -> NotACopy:
    return NotACopy(f"somebody else, or another copy, wrote to it after position {head} meanwhile")


def _appends(arriving: Sequence[Arriving], head: int) -> Iterator[Append]:
    """One for each time of recording, which the port knows for a whole append alone; the first looks at the head again."""
    checks: tuple[AppendCondition, ...] = (AppendCondition(Query.all(), head),)
    for recorded_at, run in groupby(arriving, key=lambda each: each.recorded_at):
        yield Append(tuple(_writes(run)), recorded_at, checks)
        checks = ()


def _writes(run: Iterator[Arriving]) -> Iterator[Write]:
    """In the order of the source, over all streams."""
    for stream, rows in groupby(run, key=lambda each: each.stream):
        yield Write(stream, tuple(each.row for each in rows))
