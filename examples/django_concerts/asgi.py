"""For a server: uvicorn examples.django_concerts.asgi:application."""

from __future__ import annotations

import os
from typing import Any

from django.core.asgi import get_asgi_application  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "examples.django_concerts.settings")
application: Any = get_asgi_application()
