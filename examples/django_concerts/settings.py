"""Settings: the store beside the database that the read models live in."""

from __future__ import annotations

import os

SECRET_KEY = os.environ.get("CONCERTS_SECRET", "only-for-this-machine")
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
ROOT_URLCONF = "examples.django_concerts.urls"
INSTALLED_APPS = ["refold.frameworks.django", "examples.django_concerts"]
MIDDLEWARE = ["refold.frameworks.django.middleware.Problems"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("CONCERTS_DATABASE", "evenings.db"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
    }
}

REFOLD = {
    "STORE": os.environ.get("CONCERTS", "sqlite:///concerts.db"),
    "APP": "examples.django_concerts.evenings:app",
    "MODELS": "default",
    "REFUSALS": ["examples.concerts.rules:Refusal"],
}
