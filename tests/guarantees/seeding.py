"""A seed for what is random in a proof, and the name of the backend that it is made on."""

from __future__ import annotations

import os
import secrets
from typing import Final

_NAMES: Final = {"nats": "jetstream"}


def seeded() -> int:
    """Another one each time, or that of `REFOLD_SEED`: the report of a test that failed shows it, so the run can be had again."""
    seed = int(os.environ.get("REFOLD_SEED") or secrets.randbelow(1 << 32))
    print(f"REFOLD_SEED={seed}")
    return seed


def named(url: str) -> str:
    """The backend that a URL leads to, as figures name it."""
    scheme = url.partition(":")[0]
    return _NAMES.get(scheme, scheme)
