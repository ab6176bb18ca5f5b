"""Event ids: which are known, and where.

The server itself remembers ids for a while, and refuses them meanwhile. An id that is a UUIDv7 of just now needs no more:
it cannot have been stored before it was made. Any other id is written down in a bucket beside its event, and the bucket is
read and checked before.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from refold.backends.nats.answering import MOVED, Json, Rejected
from refold.backends.nats.log import Log, nanoseconds
from refold.backends.nats.stored import EXPECTED, EXPECTED_ID, ID, Found, Message, event_of, ids_of
from refold.backends.nats.subjects import Subjects
from refold.ports import PAGE, Append

WINDOW: Final = 120_000_000_000
"""Nanoseconds for which the server remembers ids."""
FRESH: Final = 30_000_000_000
"""Nanoseconds for which the window is relied on: the rest of it is for retries and for clocks that disagree."""
AHEAD: Final = 2_000_000_000
"""Nanoseconds by which a maker of ids may be ahead of the server."""
_BUCKETS: Final = 256
_V7: Final = 7
_NEVER: Final = str((1 << 63) - 1)


class Identities:
    """The ids of one store."""

    def __init__(self, log: Log, subjects: Subjects, info: Json) -> None:
        self._log, self._subjects = log, subjects
        self._offset = nanoseconds(info["ts"]) - time.monotonic_ns()
        self._created = nanoseconds(info["created"])
        self._replicated = int(info["config"]["num_replicas"]) > 1
        self._known: OrderedDict[str, tuple[int, dict[str, int]]] = OrderedDict()

    def is_old(self, id: bytes) -> bool:
        """Whether the server may have forgotten the id, if it ever knew it."""
        made = _made(id)
        return made is None or not -AHEAD <= self._now() - made <= FRESH

    def _now(self) -> int:
        """The time by the server's clock, when the store was opened, and by what has passed here since."""
        return self._offset + time.monotonic_ns()

    def old_buckets(self, append: Append) -> list[str]:
        """The buckets of an append's old ids."""
        ids = (new.id for write in append.writes for new in write.rows)
        return sorted({self._subjects.bucket(id) for id in ids if self.is_old(id)})

    async def lasts(self, buckets: Sequence[str]) -> dict[str, int]:
        """The last sequence of each bucket, all of which are read then."""
        if not buckets:
            return {}
        newest = await self._log.last(self._subjects.all)
        found = await self._log.lasts(buckets, newest) if newest else {}
        for bucket in buckets:
            if bucket in found:
                await self._read(found[bucket])
        return {bucket: found[bucket].sequence if bucket in found else 0 for bucket in buckets}

    async def _read(self, last: Found) -> Mapping[str, int]:
        sequence, ids = self._known.get(last.subject, (0, dict[str, int]()))
        while sequence < last.sequence:
            part = await self._log.stretch(last.subject, sequence + 1, last.sequence, PAGE)
            for one in part:
                ids |= {id: one.position(place) for id, place in ids_of(one.body).ids.items()}
            sequence = part[-1].sequence if part else last.sequence
        self._known[last.subject] = sequence, ids
        self._known.move_to_end(last.subject)
        if len(self._known) > _BUCKETS:
            self._known.popitem(last=False)
        return ids

    async def known(self, ids: Sequence[bytes], newest: Found) -> list[bytes]:
        """Which of these ids were written down, as of the message that is the newest."""
        found: dict[str, int] = {}
        for last in (await self._log.lasts(sorted({*map(self._subjects.bucket, ids)}), newest)).values():
            if last.subject.startswith(f"{self._subjects.root}i."):  # `newest` comes with them
                found |= await self._read(last)
        return [id for id in ids if id.hex() in found]

    async def standing(self, append: Append, *, asked: bool) -> list[Found]:
        """The events that stand under an append's ids already; under fresh ones only if the server is to be `asked`."""
        ids = [new.id for write in append.writes for new in write.rows]
        found = await self._look_for(ids, asked=asked)
        if 0 < len(found) < len(ids):  # all may have come to stand after a part was looked for
            found = await self._look_for(ids, asked=True)
        return [found[sequence] for sequence in sorted(found)]

    async def _look_for(self, ids: Sequence[bytes], *, asked: bool) -> dict[int, Found]:
        old = {id for id in ids if self.is_old(id)}
        found = {one.sequence: one for one in await self.find(old)} if old else {}
        if asked:
            places = await asyncio.gather(*(self._place(id) for id in ids if id not in old))
            found |= {one.sequence: one for one in await self._log.at({*places} - {0, *found})}
        return found

    async def _place(self, id: bytes) -> int:
        """Where the server knows an id from, 0 if it does not.

        It is asked with a message that expects what never holds, and looks at the id before that. One server alone looks at
        most expectations before; several are spared a vote.
        """
        never = {EXPECTED: _NEVER} if self._replicated else {EXPECTED_ID: "never"}
        try:
            return (await self._log.wire.write([Message(self._subjects.note, b"{}", {ID: id.hex(), **never})])).sequence
        except Rejected as error:
            if error.code in MOVED:
                return 0
            raise

    async def find(self, ids: Iterable[bytes]) -> list[Found]:
        """The events with these ids, by position."""
        wanted = {id.hex(): id for id in ids}
        positions = await self._in_buckets(wanted)
        found = {event_of(one.body).id: one for one in await self._log.at(sorted(positions))}
        await self._by_time({hex: id for hex, id in wanted.items() if hex not in found}, found)
        return sorted(found.values(), key=lambda one: one.sequence)

    async def _in_buckets(self, wanted: Mapping[str, bytes]) -> set[int]:
        buckets = sorted({self._subjects.bucket(id) for id in wanted.values()})
        lasts = await self.lasts(buckets)
        known: dict[str, int] = {}
        for bucket in buckets:
            last = await self._log.last(bucket) if lasts[bucket] else None
            known |= await self._read(last) if last else self._known.get(bucket, (0, {}))[1]  # it never holds less
        return {known[id] for id in wanted if id in known}

    async def _by_time(self, wanted: Mapping[str, bytes], found: dict[str, Found]) -> None:
        """Ids that were fresh when they were stored: their events stand near the time that they carry."""
        last = await self._log.last(self._subjects.events)
        made = sorted((at, hex) for hex, id in wanted.items() if (at := _made(id)) is not None)
        missing = {hex for at, hex in made if self._created - WINDOW <= at <= self._now() + AHEAD}
        reached = 0
        for at, hex in made:
            if last is None or hex not in missing or hex in found:
                continue
            start, end = max(at - 2 * AHEAD, reached), at + WINDOW
            reached = max(reached, await self._look(start, end, last, missing, found))

    async def _look(self, start: int, end: int, last: Found, missing: set[str], found: dict[str, Found]) -> int:
        """Read from one time to another, or until nothing is missing; gives the time up to which all was seen."""
        first = await self._log.first_since(start, last, self._subjects.events)
        low, at = (first.sequence, first.at) if first else (last.sequence + 1, start)
        while low <= last.sequence and at <= end and not missing <= found.keys():
            part = await self._log.stretch(self._subjects.events, low, last.sequence, PAGE)
            found |= {id: one for one in part if (id := event_of(one.body).id) in missing}
            low, at = part[-1].sequence + 1, part[-1].at
        return at


def _made(id: bytes) -> int | None:
    """When a UUIDv7 was made, in nanoseconds since 1970."""
    return int.from_bytes(id[:6], "big") * 1_000_000 if id[6] >> 4 == _V7 else None
