"""Folders for stores that are made and thrown away by the thousand."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MEMORY: Final = "/dev/shm"  # noqa: S108 - nothing is kept there


@contextmanager
def quick_folder() -> Generator[Path]:
    """An empty one in memory, where this machine has files in memory: what is proven there does not ask for a disk."""
    with tempfile.TemporaryDirectory(prefix="refold-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as place:
        yield Path(place)
