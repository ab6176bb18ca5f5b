"""Figures of read models: what is measured of each build, for whoever collects it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeAlias

from refold.flows.projections.status import ProjectionStatus

Figure: TypeAlias = Callable[[ProjectionStatus, datetime], float]


def _age(status: ProjectionStatus, now: datetime) -> float:
    return 0.0 if status.oldest_waiting is None else max(0.0, (now - status.oldest_waiting).total_seconds())


FIGURES: Final[tuple[tuple[str, str, str, Figure], ...]] = (
    ("refold.projection.position", "{position}", "How far it is.", lambda status, _: status.position),
    ("refold.projection.lag", "{message}", "Events of the store that it has not come to.", lambda status, _: status.lag),
    ("refold.projection.oldest_waiting", "s", "Since when the first of these waits.", _age),
    ("refold.projection.stuck", "1", "1 if events wait and nobody gets on with them.", lambda status, _: int(status.is_stuck)),
    ("refold.projection.dead_letters", "{message}", "Events that nobody has mended.", lambda status, _: status.dead_letters),
)  # fmt: skip
"""Each with its name, its unit, and what it means."""
