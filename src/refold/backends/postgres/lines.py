"""Callers in line: the first one sends what all of them ask, and the next one what was asked meanwhile."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Generic, TypeVar, cast

from refold.backends.postgres.session import Session
from refold.backends.postgres.signals import Signal

A = TypeVar("A")
R = TypeVar("R")


class _Place(Generic[A, R]):
    """Somebody in line. `signal`, for whoever does not lead at once: there is an answer, or the lead."""

    __slots__ = ("answer", "asked", "done", "error", "gone", "leads", "signal")

    def __init__(self, asked: A) -> None:
        self.asked = asked
        self.answer: R | None = None
        self.error: Exception | None = None
        self.signal: Signal | None = None
        self.done = self.gone = self.leads = False


class Line(Generic[A, R]):
    """Threads or tasks that ask the same kind of thing.

    `together`: how many of those that wait, from the first on, can be sent as one. `send`: their answers. An error of it is told
    to each of them.
    """

    def __init__(
        self,
        session: Session,
        together: Callable[[Iterator[A]], int],
        send: Callable[[Sequence[A]], Awaitable[Sequence[R]]],
    ) -> None:
        self._session, self._together, self._send = session, together, send
        self._guard = threading.Lock()
        self._waiting: deque[_Place[A, R]] = deque()
        self._led = self._crowded = False

    async def ask(self, asked: A) -> R:
        """The answer. Whoever is interrupted leaves the line; what was sent with others is sent again for them."""
        place = _Place[A, R](asked)
        try:
            if not self._enter(place):
                await cast("Signal", place.signal).wait()
            elif self._crowded:
                await self._session.pause(0)  # those who were answered together ask again together
            while not place.done:
                await self._send_next()
        except BaseException:
            with self._guard:  # either it is passed over, or it has the lead and hands it on
                place.gone = True
            raise
        finally:
            if place.leads:
                self._hand_over()
        if place.error is not None:
            raise place.error
        return cast("R", place.answer)

    def _enter(self, place: _Place[A, R]) -> bool:
        """Whether it leads."""
        with self._guard:
            self._waiting.append(place)
            if self._led:
                place.signal = self._session.signal()
            else:
                self._led = place.leads = True
            return place.leads

    def _hand_over(self) -> None:
        with self._guard:
            while self._waiting and self._waiting[0].gone:
                self._waiting.popleft()
            self._led = bool(self._waiting)
            if self._waiting:
                self._waiting[0].leads = True
                cast("Signal", self._waiting[0].signal).set()

    async def _send_next(self) -> None:
        group = self._next()
        try:
            for place, answer in zip(group, await self._send([place.asked for place in group]), strict=True):
                place.answer = answer
        except Exception as error:  # noqa: BLE001 - told to every caller of the group
            for place in group:
                place.error = error
        except BaseException:
            with self._guard:
                self._waiting.extendleft(reversed(group))
            raise
        for place in group:
            place.done = True
            if place.signal is not None and not place.leads:
                place.signal.set()

    def _next(self) -> list[_Place[A, R]]:
        with self._guard:
            there = [place for place in self._waiting if not place.gone]
            count = self._together(place.asked for place in there)
            self._waiting = deque(there[count:])
        self._crowded = count > 1
        return there[:count]
