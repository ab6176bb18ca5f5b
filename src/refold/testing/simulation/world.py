"""World: those who act, each a coroutine that is stepped by hand, one at a time; a clock; and what was done, as sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, NoReturn

from refold.testing.clock import ManualClock
from refold.testing.simulation.decisions import GO_ON, Decision, Decisions, Fate, Kind, Place

SECOND: Final = 1_000_000
LATE: Final = 2 * SECOND, 6 * SECOND, 60 * SECOND
"""How long a call that is late takes: less than a lease, more than that, and much more."""
MOST: Final = 50_000
"""So many calls are made in one run; then it does not come to rest."""


class Died(BaseException):
    """A process is gone, with all that it knew."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Somebody waits until a time, in microseconds, or until an event stands above a position."""

    until: int
    above: int | None = None

    def __await__(self) -> Generator[Pause, None, None]:
        yield self


@dataclass(frozen=True, slots=True)
class Point:
    """Somebody is about to do something: here the seed decides."""

    what: str
    kind: Kind

    def __await__(self) -> Generator[Point, Fate, Fate]:
        return (yield self)


@dataclass(eq=False, slots=True)
class Party:
    """A customer or a runner. If its process dies, it begins a new one."""

    name: str
    begin: Callable[[Life], Coroutine[Any, Any, None]]
    lives: int = 0
    done: Counter[str] = field(default_factory=Counter[str])


@dataclass(eq=False, slots=True)
class Life:
    """One process of a party, from its start to its death."""

    world: World
    party: Party
    number: int
    is_over: bool = False

    async def asks(self, what: str, kind: Kind) -> Fate:
        """What befalls something that it is about to do.

        Raises:
            Died: it is dead already.
        """
        self._must_live()
        return await Point(what, kind)

    async def pauses(self, seconds: float, above: int | None = None) -> None:
        """Let so much time pass, or wait until an event stands above a position."""
        self._must_live()
        await Pause(self.world.clock.now() + max(1, round(seconds * SECOND)), above)

    def die(self) -> NoReturn:
        """Let its process end here."""
        raise Died

    def _must_live(self) -> None:
        if self.is_over:
            raise Died


@dataclass(eq=False, slots=True)
class _Actor:
    life: Life
    coroutine: Coroutine[Any, Any, None]
    waits: Pause = field(default_factory=lambda: Pause(0))
    reply: Fate | None = None


class World:
    """Steps one actor at a time: each goes on until it waits, or until the seed lets others go first."""

    def __init__(self, decisions: Decisions, next_due: Callable[[], int | None]) -> None:
        """`next_due`: when the next timer comes back, in microseconds."""
        self.clock, self.decisions, self.story = ManualClock(), decisions, list[str]()
        self.head, self.points, self.is_calm, self.is_over = 0, 0, False, False
        self._next_due, self._began = next_due, self.clock.now()
        self._line: list[_Actor] = []

    def enter(self, party: Party) -> None:
        """Let a party begin a process."""
        party.lives += 1
        life = Life(self, party, party.lives)
        self.start(life, party.begin(life))

    def start(self, life: Life, coroutine: Coroutine[Any, Any, None]) -> None:
        """Let something go on beside the rest of a process."""
        self._line.append(_Actor(life, coroutine))

    def say(self, sentence: str) -> None:
        """Note what happens."""
        self.story.append(f"{(self.clock.now() - self._began) / SECOND:10.3f}  {sentence}")

    def work(self) -> bool:
        """Go on until all wait for a time to come; False if that never ends, or something was found."""
        while not self.is_over and self.points < MOST:
            now = self.clock.now()
            actor = next((each for each in self._line if _is_ready(each, now, self.head)), None)
            if actor is None:
                return True
            self._line.remove(actor)
            self._go_on(actor)
        return False

    def wait(self) -> None:
        """Let time pass until the first who waits can go on."""
        self.clock.move(_microseconds(max(0, min(each.waits.until for each in self._line) - self.clock.now())))

    def pass_time(self, microseconds: int) -> None:
        """Let so much time pass."""
        self.clock.move(_microseconds(microseconds))

    def pass_up_to(self, moment: int) -> None:
        """Let time pass until then, or until the next timer is due, if that is earlier."""
        due = self._next_due()
        self.clock.move(_microseconds(max(0, min(moment, moment if due is None else due) - self.clock.now())))

    def pass_to_next_timer(self) -> bool:
        """Let time pass until the next timer is due; False if there is none."""
        due = self._next_due()
        if due is None:
            return False
        self.clock.move(_microseconds(max(0, due - self.clock.now())))
        return True

    def close(self) -> None:
        """Let everything end."""
        for actor in [*self._line]:
            if not actor.life.is_over:
                self._bury(actor.life)

    def _go_on(self, actor: _Actor) -> None:
        reply, actor.reply = actor.reply, None
        while True:
            try:
                asked = actor.coroutine.send(reply)
            except StopIteration:
                return None
            except Died:
                return self._died(actor.life)
            if isinstance(asked, Pause):
                return self._wait(actor, asked)
            decision = self._decided(actor.life.party, asked)
            match decision.fate:
                case "let others go first" if self._line:
                    actor.reply = "go on"
                    self._others_first(actor, decision.number)
                    return None
                case "be late":
                    actor.reply = "go on"
                    return self._wait(actor, Pause(self.clock.now() + LATE[decision.number % len(LATE)]))
                case "let time pass":
                    self.pass_to_next_timer()
                    reply = "go on"
                case "let others go first":
                    reply = "go on"
                case fate:
                    reply = fate
            if self.is_over:
                return self._line.append(actor)

    def _decided(self, party: Party, point: Point) -> Decision:
        self.points += 1
        party.done[point.what] += 1
        if self.is_calm:
            return GO_ON
        decision = self.decisions.at(Place(party.name, point.what, party.done[point.what]), point.kind)
        if decision.fate != "go on":
            self.say(f"{party.name}, about to {point.what}: {_TOLD[decision.fate]}.")
        return decision

    def _wait(self, actor: _Actor, pause: Pause) -> None:
        actor.waits = pause
        self._line.append(actor)

    def _others_first(self, actor: _Actor, number: int) -> None:
        actor.waits = Pause(0)
        place = number % len(self._line)
        self._line = [*self._line[place:], *self._line[:place], actor]

    def _died(self, life: Life) -> None:
        self._bury(life)
        self.enter(life.party)

    def _bury(self, life: Life) -> None:
        life.is_over = True
        dead = [each for each in self._line if each.life is life]
        self._line = [each for each in self._line if each.life is not life]
        for actor in dead:
            with suppress(Died, StopIteration):
                actor.coroutine.throw(Died())
            actor.coroutine.close()


def _is_ready(actor: _Actor, now: int, head: int) -> bool:
    waits = actor.waits
    return waits.until <= now or (waits.above is not None and head > waits.above)


def _microseconds(count: int) -> timedelta:
    return timedelta(microseconds=count)


_TOLD: Final = {
    "let others go first": "others go first",
    "be late": "it takes its time",
    "let time pass": "time passes until the next timer is due",
    "die before": "its process dies before that, and starts anew",
    "die after": "its process dies right after that, and starts anew",
    "busy": "the store is busy, and nothing is done",
    "unknown and not done": "it is not done, and no answer comes",
    "unknown and done": "it is done, and no answer comes",
    "away": "it fails, and nothing was done",
    "silent": "it is done, and then fails",
    "ask again": "it asks once more, with the same key",
}
