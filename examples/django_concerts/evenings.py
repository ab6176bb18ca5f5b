"""What fills the read model: handlers that use the ORM, in the transaction in which the checkpoint moves."""

from __future__ import annotations

from examples.concerts.rules import SeatsReturned, SeatsTaken, concerts
from examples.django_concerts.models import Evening

from refold import App, Projection, Recorded
from refold.integrations.django import emptying

evenings = Projection("evenings", schema=emptying(Evening))


@evenings.on(SeatsTaken)
def taken(e: Recorded[SeatsTaken]) -> None:
    evening, _ = Evening.objects.get_or_create(guest=e.data.guest, concert=e.stream.id, defaults={"seats": 0})
    evening.seats += e.data.seats
    evening.save()


@evenings.on(SeatsReturned)
def returned(e: Recorded[SeatsReturned]) -> None:
    Evening.objects.filter(guest=e.data.guest, concert=e.stream.id).delete()


app = App(concerts, evenings)
