"""A read model: to which concerts a guest goes."""

from __future__ import annotations

from collections.abc import Iterator

from examples.concerts.rules import SeatsReturned, SeatsTaken

from refold import Projection, Recorded, Statement, sql

evenings = Projection(
    "evenings",
    schema="create table evenings (guest text, concert text, seats integer not null, primary key (guest, concert))",
)


@evenings.on(SeatsTaken)
def taken(e: Recorded[SeatsTaken]) -> Iterator[Statement]:
    yield sql(
        "insert into evenings values (:guest, :concert, :seats) "
        "on conflict (guest, concert) do update set seats = evenings.seats + :seats",
        guest=e.data.guest,
        concert=e.stream.id,
        seats=e.data.seats,
    )


@evenings.on(SeatsReturned)
def returned(e: Recorded[SeatsReturned]) -> Iterator[Statement]:
    yield sql(
        "delete from evenings where guest = :guest and concert = :concert", guest=e.data.guest, concert=e.stream.id
    )
