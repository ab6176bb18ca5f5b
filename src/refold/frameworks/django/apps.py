"""The app, for INSTALLED_APPS."""

from __future__ import annotations

from django.apps import AppConfig  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]


class RefoldConfig(AppConfig):  # type: ignore[misc] # Django has no types
    """No models of its own: it has commands."""

    name = "refold.frameworks.django"
    label = "refold"
