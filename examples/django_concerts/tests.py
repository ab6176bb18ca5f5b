"""python -m examples.django_concerts.manage test examples.django_concerts.tests."""

from __future__ import annotations

from typing import Any

from django.test import TestCase, override_settings  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]
from examples.django_concerts.evenings import evenings

from refold.frameworks.django import close, store
from refold.integrations.django import DjangoTarget

IN_MEMORY = {
    "STORE": "memory://",
    "MODELS": "default",
    "REFUSALS": ["examples.concerts.rules:Refusal"],
}


@override_settings(REFOLD=IN_MEMORY)
class Seats(TestCase):  # type: ignore[misc] # as above
    client: Any

    def setUp(self) -> None:
        self.addCleanup(close)
        self.client.put("/concerts/mass", {"title": "Mass in B minor", "seats": 3}, "application/json")

    def test_seats_are_taken_and_the_guest_sees_them(self) -> None:
        answer = self.client.post("/concerts/mass/seats", {"guest": "ada", "seats": 2}, "application/json")
        assert (answer.status_code, answer.json()["free"]) == (201, 1)

        store().catch_up(evenings, into=DjangoTarget())
        assert self.client.get("/guests/ada").json() == {"mass": 2}

    def test_more_than_is_free_is_refused(self) -> None:
        answer = self.client.post("/concerts/mass/seats", {"guest": "ada", "seats": 4}, "application/json")
        assert (answer.status_code, answer.json()["detail"]) == (422, "4 seats asked for, 3 free")
