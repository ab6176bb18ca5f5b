"""Where the views are."""

from __future__ import annotations

from typing import Any

from django.urls import path  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]
from examples.django_concerts import views

from refold.frameworks.django.health import ready

urlpatterns: list[Any] = [
    path("concerts/<id>", views.concert),
    path("concerts/<id>/seats", views.seats),
    path("concerts/<id>/seats/<guest>", views.seats_of),
    path("guests/<guest>", views.evenings),
    path("readyz", ready),
]
