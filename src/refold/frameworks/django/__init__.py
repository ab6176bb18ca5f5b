"""Django: one store a process, by the settings; errors as problems, a health check, and `manage.py refold`.

INSTALLED_APPS = [..., "refold.frameworks.django"]
REFOLD = {"STORE": "sqlite:///shop.db", "APP": "shop.app:app", "MODELS": "default", "REFUSALS": ["shop.rules.Refusal"]}
"""

from __future__ import annotations

from importlib.util import find_spec

from refold.errors import MissingExtra

if find_spec("django") is None:
    raise MissingExtra("django", "django")

from refold.frameworks.django.opened import close, store, store_of

__all__ = ["close", "store", "store_of"]
