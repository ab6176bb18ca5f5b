"""Project: what a read model has not seen yet, in batches, each committed with its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from refold.errors import CheckpointMoved, ProjectionChanged
from refold.flows.prepare import Runtime
from refold.flows.read import opened
from refold.ports import Backend, Checkpoint, Progress, Selection
from refold.projection import Projection, Statement
from refold.rows import Row

BATCH: Final = 500
"""How many events share a transaction."""


async def catch_up(backend: Backend, runtime: Runtime, projection: Projection) -> int:
    """Apply every event that the read model has not seen, and say how many were applied.

    Raises:
        ProjectionChanged: the read model was built by another version of the projection.
    """
    applied = 0
    checkpoint = await started(backend, projection)
    while page := await backend.read(Selection(after=checkpoint.position, limit=BATCH)):
        step, count = _step(runtime, projection, checkpoint.position, page)
        try:
            await backend.progress(step)
        except CheckpointMoved:  # another runner did it; nothing of ours was written
            checkpoint = await started(backend, projection)
        else:
            applied += count
            checkpoint = Checkpoint(projection.version, step.position)
    return applied


async def started(backend: Backend, projection: Projection) -> Checkpoint:
    """The projection's checkpoint; its tables are made if it has none yet."""
    checkpoint = await backend.checkpoint(projection.name)
    if checkpoint is None:
        schema = [Statement(projection.schema)] if projection.schema else []
        try:
            await backend.progress(Progress(projection.name, projection.version, schema, 0, 0))
        except CheckpointMoved:  # another runner made them
            return await started(backend, projection)
        return Checkpoint(projection.version, 0)
    if checkpoint.version != projection.version:
        raise ProjectionChanged(projection.name, checkpoint.version, projection.version)
    return checkpoint


def _step(runtime: Runtime, projection: Projection, after: int, page: Sequence[Row]) -> tuple[Progress, int]:
    decoders = runtime.codec.decoders(projection.event_types)
    names = {name for name, _ in decoders}
    wanted = [row for row in page if row.type in names]
    statements = [statement for row in wanted for statement in projection.project(opened(decoders, row))]
    return Progress(projection.name, projection.version, statements, after, page[-1].position), len(wanted)
