"""A concert: so many seats, and who has taken them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, assert_never

from refold import Decider, command, event


@event("concert.announced")
class Announced:
    title: str
    seats: int


@event("concert.seats-taken")
class SeatsTaken:
    guest: str
    seats: int


@event("concert.seats-returned")
class SeatsReturned:
    guest: str
    seats: int


ConcertEvent: TypeAlias = Announced | SeatsTaken | SeatsReturned


@command("concert.announce")
class Announce:
    title: str
    seats: int


@command("concert.take-seats")
class TakeSeats:
    guest: str
    seats: int


@command("concert.return-seats")
class ReturnSeats:
    guest: str


ConcertCommand: TypeAlias = Announce | TakeSeats | ReturnSeats


@dataclass(frozen=True)
class Concert:
    title: str = ""
    free: int = 0
    guests: Mapping[str, int] = field(default_factory=dict[str, int])


class Refusal(Exception):
    """What somebody asked for cannot be."""


def decide(command: ConcertCommand, concert: Concert) -> Iterator[ConcertEvent]:
    match command:
        case Announce(title, seats):
            if concert.title:
                raise Refusal(f"it is announced already: {concert.title}")
            yield Announced(title, seats)
        case TakeSeats(guest, seats):
            if not 0 < seats <= concert.free:
                raise Refusal(f"{seats} seats asked for, {concert.free} free")
            yield SeatsTaken(guest, seats)
        case ReturnSeats(guest):
            if guest not in concert.guests:
                raise Refusal(f"{guest} has no seats")
            yield SeatsReturned(guest, concert.guests[guest])
        case _:
            assert_never(command)


def evolve(concert: Concert, event: ConcertEvent) -> Concert:
    match event:
        case Announced(title, seats):
            return replace(concert, title=title, free=seats)
        case SeatsTaken(guest, seats):
            taken = {**concert.guests, guest: concert.guests.get(guest, 0) + seats}
            return replace(concert, free=concert.free - seats, guests=taken)
        case SeatsReturned(guest, seats):
            rest = {name: count for name, count in concert.guests.items() if name != guest}
            return replace(concert, free=concert.free + seats, guests=rest)
        case _:
            assert_never(event)


concerts = Decider("concert", initial=Concert, evolve=evolve, decide=decide)
