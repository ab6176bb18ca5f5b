"""The time that events are recorded at: that of the last tick before them. So it cannot go back along positions.

Writers have clocks that disagree, and no writer knows which event will stand before its own. So the time stands in the log
itself: whoever appends later than the last tick says what time it is, in a message of its own before the event. A tick is
accepted only after the tick that its writer knew, and is never before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, TypeAlias

from refold.backends.nats.answering import Ack, Rejected, Silent
from refold.backends.nats.facts import Facts
from refold.backends.nats.log import Log
from refold.backends.nats.stored import Found, Message, Tick, encode, tick_of
from refold.backends.nats.subjects import Subjects
from refold.errors import StoreError

LATE: Final = 1_000_000
"""Microseconds by which the clock may be behind while a tick is under way; if it is more, the tick is waited for."""
_Failure: TypeAlias = Rejected | Silent | StoreError
_SPREAD: Final = 20
"""Where rows stand this many times farther apart than ticks could, each one's tick is asked for by itself."""


class Ticks:
    """The clock of one store."""

    def __init__(self, log: Log, subjects: Subjects, facts: Facts) -> None:
        self._log, self._subject, self._facts = log, subjects.clock, facts
        self._under_way: asyncio.Task[_Failure | None] | None = None
        self._doubtful = False

    async def advance(self, now: int) -> None:
        """See to it that what is sent after this is recorded at `now`, or at a later time if that has come already.

        Raises:
            Rejected, Silent: the time does not stand there, and without it nothing may be written.
        """
        await self._facts.ensure([self._subject])
        if self._doubtful:
            await self._learn()
        while (behind := self._behind(now)) > 0:
            if self._under_way is None:
                await self._send(now)
            if behind <= LATE or self._under_way is None:
                return
            if failure := await self._ended(self._under_way):
                await self._learn()
                if self._behind(now) > 0:
                    raise failure

    async def rest(self) -> None:
        """Wait until no tick of this process is under way."""
        if self._under_way is not None:
            await asyncio.wait({self._under_way})

    def _behind(self, now: int) -> int:
        return now - self._facts[self._subject].value

    async def _learn(self) -> None:
        self._doubtful = False
        await self._facts.learn([self._subject])

    async def _ended(self, tick: asyncio.Task[_Failure | None]) -> _Failure | None:
        await asyncio.wait({tick})  # whoever waits may be cancelled, the tick is not
        return tick.result()

    async def _send(self, now: int) -> None:
        message = Message(self._subject, encode(Tick(now)), {})
        message.expect(self._facts[self._subject].sequence)
        try:
            sent = await self._log.wire.send([message])
        except Silent as error:
            raise _without_events(error) from error
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._heard(sent, now))
        else:
            sent.close()

    async def _heard(self, sent: Coroutine[Any, Any, Ack], now: int) -> _Failure | None:
        """What became of a tick: None, or why the time may not stand there."""
        try:
            self._facts.note(self._subject, (await sent).sequence, now)
        except (Rejected, Silent, StoreError) as error:
            self._doubtful = True
            return _without_events(error) if isinstance(error, Silent) else error
        finally:
            self._under_way = None
        return None

    async def of(self, messages: Sequence[Found]) -> list[int]:
        """The time at each of these messages, whose positions rise."""
        if not messages:
            return []
        first, last = messages[0], messages[-1]
        if len(messages) == 1 or last.sequence - first.sequence >= _SPREAD * len(messages):
            return [_at(one) for one in await asyncio.gather(*map(self._before, messages))]
        began, ended = await self._before(first), await self._before(last)
        ticks: Sequence[Found] = ()
        if ended is not None and ended.sequence > first.sequence:
            ticks = await self._log.stretch(self._subject, first.sequence, ended.sequence, last.sequence)
        return _merged([one.sequence for one in messages], _at(began), ticks)

    async def _before(self, message: Found) -> Found | None:
        """The last tick before a message, from a replica that has the message."""
        return (await self._log.lasts([self._subject], message)).get(self._subject)

    async def first_from(self, at: int) -> int:
        """The position after which events are recorded at that time or later."""
        return (await self._tick_from(at) or 1 << 62) if at > 0 else 1

    async def last_until(self, at: int) -> int:
        """The position up to which events are recorded at that time or before."""
        later = await self._tick_from(at + 1)
        return (1 << 62) if later is None else later

    async def _tick_from(self, at: int) -> int | None:
        """Where the first tick at that time or later stands: found by bisecting, since ticks only rise."""
        last = await self._log.last(self._subject)
        if last is None or _at(last) < at:
            return None
        low, high = 1, last.sequence
        while low < high:
            middle = (low + high) // 2
            found = await self._log.following(self._subject, middle)
            if _at(found) >= at:
                high = middle
            else:
                low = found.sequence + 1
        return (await self._log.following(self._subject, low)).sequence


def _without_events(error: Silent) -> Silent:
    """Whatever became of the tick, no event was sent yet."""
    return Silent(str(error), certain=True)


def _at(found: Found | None) -> int:
    return tick_of(found.body).at if found else 0


def _merged(sequences: Sequence[int], at: int, ticks: Sequence[Found]) -> list[int]:
    times: list[int] = []
    coming = iter(ticks)
    tick = next(coming, None)
    for sequence in sequences:
        while tick is not None and tick.sequence < sequence:
            at, tick = _at(tick), next(coming, None)
        times.append(at)
    return times
