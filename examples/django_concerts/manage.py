"""What Django calls a project's command: python -m examples.django_concerts.manage."""

from __future__ import annotations

import os
import sys

from django.core.management import (  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]
    execute_from_command_line,  # pyright: ignore[reportUnknownVariableType]
)

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "examples.django_concerts.settings")
    execute_from_command_line(sys.argv)
