"""Inline: read models that are never behind, because each append brings them along in its own transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from refold.errors import ProjectionStopped, Unsupported, UsageError
from refold.flows.prepare import Runtime
from refold.flows.projections.batch import HandlerFailed, noted
from refold.flows.projections.builds import active_build
from refold.flows.projections.catching_up import catch_up, checked
from refold.flows.projections.work import Work, partitions, step, take_up
from refold.ports import Backend, Unclaimed
from refold.projection import Projection
from refold.publication import Publication

MOST: Final = 1_000
"""How many events one append may have to bring along that others appended without it."""


class Inline:
    """What an append knows of its read models. Out of date (another process appended too), it is looked up anew."""

    def __init__(self, projections: Sequence[Projection]) -> None:
        self._projections = tuple(projections)
        self._works: dict[str, list[Work]] = {}

    @property
    def projections(self) -> tuple[Projection, ...]:
        """Whose read models they are."""
        return self._projections

    async def begin(self, backend: Backend, runtime: Runtime) -> None:
        """Bring every read model up to date, before the first append.

        Raises:
            Unsupported: the events and the read models share no transaction.
        """
        for projection in self.projections:
            if isinstance(projection, Publication):
                raise UsageError(
                    f"publication {projection.name!r} cannot be kept inline: nothing is sent before its event is committed. "
                    "Let store.run(...) or `refold run` publish."
                )
        if not backend.capabilities.together:
            raise Unsupported(
                "the events stand elsewhere than their read models (models=), so no append can bring these along: let "
                "store.run(...) keep them, and wait for a position where you must see your own append."
            )
        for projection in self.projections:
            await catch_up(backend, backend, runtime, projection)

    async def keep_up(self, inside: Backend, runtime: Runtime) -> None:
        """Apply what the append that is under way has written, and what others have that did not.

        Raises:
            ProjectionStopped: a read model is paused, or so far behind that an append should not wait for it.
            What a handler raises: then nothing is appended.
        """
        for projection in self.projections:
            while not await self._is_kept_up(inside, runtime, projection):
                pass

    async def _is_kept_up(self, inside: Backend, runtime: Runtime, projection: Projection) -> bool:
        """Whether it is up to date; not, if a runner was quicker, which is to be looked at anew."""
        try:
            await self._keep_up(inside, runtime, projection)
        except BaseException as error:
            self._works.pop(projection.name, None)
            if isinstance(error, Unclaimed):
                return False
            raise
        return True

    async def _keep_up(self, inside: Backend, runtime: Runtime, projection: Projection) -> None:
        for work in await self._known(inside, runtime, projection):
            applied = 0
            try:
                while stepped := await step(inside, inside, runtime, work):
                    applied += stepped.applied
                    if applied > MOST:
                        raise ProjectionStopped(
                            projection.name, f"over {MOST:,} events behind", "others append without keeping it inline",
                            work.position, "Catch up with it, and keep it inline wherever events are appended.",
                        )  # fmt: skip
            except HandlerFailed as failed:
                raise noted(failed, projection) from None

    async def _known(self, inside: Backend, runtime: Runtime, projection: Projection) -> Sequence[Work]:
        if projection.name not in self._works:
            build = await active_build(inside, runtime.clock, projection)
            found = [await take_up(inside, projection, build, part.first) for part in await partitions(inside, build)]
            self._works[projection.name] = [checked(work) for work in found if work is not None]
        return self._works[projection.name]
