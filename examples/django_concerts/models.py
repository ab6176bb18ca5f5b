"""The read model: to which concerts a guest goes."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]


class Evening(models.Model):  # type: ignore[misc] # Django has no types
    """Seats of one guest at one concert."""

    guest: Any = models.CharField(max_length=100, db_index=True)
    concert: Any = models.CharField(max_length=100)
    seats: Any = models.IntegerField()
    objects: ClassVar[Any] = models.Manager()

    class Meta:
        app_label = "django_concerts"
        unique_together: ClassVar[Any] = [("guest", "concert")]

    def __str__(self) -> str:
        return f"{self.guest}: {self.seats} at {self.concert}"
