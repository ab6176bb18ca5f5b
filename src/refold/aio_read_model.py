"""The awaiting face of one read model: signatures and docstrings. The operations live in `refold.flows.projections`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

from refold._bridge.pacing import AwaitingPace
from refold._bridge.senders import awaiting_projection
from refold.flows.prepare import Runtime
from refold.flows.projections.audit import audit
from refold.flows.projections.catching_up import Report, catch_up
from refold.flows.projections.comparing import abandon, compare, rebuild_with, verify
from refold.flows.projections.dead_letters import DeadLetter, DeadLetterGroup, dead_letter_groups, dead_letters
from refold.flows.projections.differences import Comparison
from refold.flows.projections.findings import Audit
from refold.flows.projections.lifecycle import drop_retired, pause, reset, resume
from refold.flows.projections.rebuilding import begin_rebuild, rebuild
from refold.flows.projections.retrying import retry, skip
from refold.flows.projections.splitting import repartition
from refold.flows.projections.status import ProjectionStatus, Token, position_of, status, wait_for
from refold.ports import Backend
from refold.projection import Projection, checked_projection

if TYPE_CHECKING:
    from refold._bridge.awaiting import AwaitingEngine
    from refold._bridge.native import NativeAwaitingEngine

T = TypeVar("T")
Engine: TypeAlias = "AwaitingEngine | NativeAwaitingEngine"


class AsyncReadModel:
    """What one projection keeps in one database: caught up, watched, mended, built anew."""

    def __init__(self, engine: Engine, target: Backend, runtime: Runtime, projection: Projection) -> None:
        checked_projection(projection)
        self._engine, self._target, self._runtime, self.projection = engine, target, runtime, projection

    @property
    def _at_work(self) -> Projection:
        """The projection, to be worked on in this colour."""
        return awaiting_projection(self.projection)

    async def catch_up(self) -> int:
        """Apply every event that the read model has not seen, each once, and say how many were applied.

        Raises:
            ProjectionChanged: it was built by another version of the projection.
            ProjectionStopped: it is paused, or failed for too many keys in a row.
            UsageError: a statement cannot be run, or touches the store's own tables; its batch was not applied.
        """
        return await self._engine.outside(lambda b: catch_up(b, self._target, self._runtime, self._at_work))

    async def status(self) -> ProjectionStatus:
        """How far the build is that readers see, how far behind, and why it stands still if it does.

        Raises:
            NoSuchProjection: nothing was begun yet.
        """
        return await self._engine.outside(lambda b: status(b, self._target, self._runtime, self.projection.name))

    async def wait_for(self, token: Token, *, timeout: float) -> None:  # noqa: ASYNC109 - an error of its own says more
        """Return as soon as the read model has taken in what a command or an append wrote.

        Raises:
            NotCaughtUp: it had not after `timeout` seconds; the error says how far it is, and whether anybody works on it.
            ProjectionStopped: it is paused or failed, or could not apply that very event.
        """
        position = position_of(token)
        await self._engine.outside(
            lambda b: wait_for(b, self._target, self._runtime, AwaitingPace(), self.projection.name, position, timeout)
        )

    async def pause(self, reason: str = "paused by hand") -> None:
        """Let nobody work on it until `resume`; a step that is under way is undone.

        Raises:
            NoSuchProjection: nothing was begun yet.
        """
        await self._engine.outside(lambda _: pause(self._target, self.projection.name, reason))

    async def resume(self) -> None:
        """Let work go on, after a pause or a failure.

        Raises:
            NoSuchProjection: nothing was begun yet.
        """
        await self._engine.outside(lambda _: resume(self._target, self.projection.name))

    async def reset(self) -> None:
        """Remove the read model with its dead letters, and begin it again: empty until it is caught up. Effects are caused again.

        To keep readers served, `rebuild` it instead.
        """
        await self._engine.outside(lambda _: reset(self._target, self._runtime, self.projection))

    async def rebuild(self, *, compared: Comparison | None = None, progress: Report | None = None) -> None:
        """Make it anew beside the one that people read, catch up, and switch in one transaction; killed, it goes on where it was.

        The one that was replaced stays under another name until `drop_retired`. `progress` is told the position reached and the
        head. Effects are held back. Handlers that raise end it, and leave what people read as it is. `compared`: take the build
        that `compare` made.

        Raises:
            UsageError: the projection cannot stand beside itself, and why; or what was compared is not there any more.
        """
        if compared is None:
            await self._engine.outside(
                lambda b: rebuild(b, self._target, self._runtime, AwaitingPace(), self.projection, progress)
            )
        else:
            await self._engine.outside(
                lambda b: rebuild_with(
                    b, self._target, self._runtime, AwaitingPace(), self.projection, compared, progress
                )
            )

    async def begin_rebuild(self, *, parts: int = 1) -> int:
        """Only begin what `rebuild` does, for runners to go on with, and say the number of the build; `parts` of it side by side.

        One that was begun before is left as it is.

        Raises:
            NoSuchProjection: nothing was begun yet.
            UsageError: the projection cannot stand beside itself, or has no `key` by which it could be parted.
        """
        await self.status()
        build = await self._engine.outside(lambda _: begin_rebuild(self._target, self._runtime, self.projection, parts))
        return build.number

    async def compare(self, *, limit: int = 20, progress: Report | None = None) -> Comparison:
        """Make it anew beside the one that people read, and say in which rows the two differ, `limit` of them with their events.

        The other one may be of an earlier version. What was made stays, as `rows__NUMBER` for a table `rows`: put it in its
        place with `rebuild(compared=...)`, or `abandon` it. Until then no runner touches it.

        Raises:
            NoSuchProjection: nothing was begun yet.
            UsageError: the projection cannot stand beside itself, and why; or the two never stood at one position.
            What a handler raises: nothing of it stays.
        """
        return await self._engine.outside(
            lambda b: compare(b, self._target, self._runtime, AwaitingPace(), self.projection, limit, progress)
        )

    async def verify(self, *, limit: int = 20, progress: Report | None = None) -> Comparison:
        """Whether it holds what the events make of it today: as `compare`, but of the same version, and nothing of it stays.

        Raises:
            NoSuchProjection: nothing was begun yet.
            ProjectionChanged: it was built by another version of the projection.
            UsageError: the projection cannot stand beside itself, and why; or the two never stood at one position.
        """
        return await self._engine.outside(
            lambda b: verify(b, self._target, self._runtime, AwaitingPace(), self.projection, limit, progress)
        )

    async def abandon(self, *, compared: Comparison | None = None) -> int:
        """Remove the builds that were to take its place, or only the one that `compare` made, and say how many there were.

        Raises:
            NoSuchProjection: nothing was begun yet.
        """
        return await self._engine.outside(lambda _: abandon(self._target, self.projection.name, compared))

    async def drop_retired(self) -> int:
        """Remove the builds that were replaced, and say how many there were."""
        return await self._engine.outside(lambda _: drop_retired(self._target, self.projection.name))

    async def dead_letters(self) -> tuple[DeadLetter, ...]:
        """The events that could not be taken in, those that wait behind them, and those given up; by position.

        Raises:
            NoSuchProjection: nothing was begun yet.
        """
        return await self._engine.outside(lambda _: dead_letters(self._target, self.projection))

    async def dead_letter_groups(self) -> tuple[DeadLetterGroup, ...]:
        """What failed, by the error's class and the event's type; what failed most often is first.

        Raises:
            NoSuchProjection: nothing was begun yet.
        """
        return await self._engine.outside(lambda b: dead_letter_groups(b, self._target, self.projection))

    async def retry(self, key: str | None = None, *, until: int | None = None) -> int:
        """Apply the parked events of a key, or of every key, in order, and say how many were applied.

        Where one fails again, its error and its attempts are kept, and those of its key behind it wait on. `until`: up to and
        with that position.

        Raises:
            NoSuchProjection: nothing was begun yet.
            ProjectionChanged: it was built by another version of the projection.
        """
        return await self._engine.outside(lambda b: retry(b, self._target, self._runtime, self._at_work, key, until))

    async def skip(self, position: int) -> int:
        """Give a parked event up for ever, apply those that waited behind it, and say how many that were.

        It stays among the dead letters, as skipped. To give up the next one too, should it fail, takes another call.

        Raises:
            NoSuchProjection: nothing was begun yet.
            ProjectionChanged: it was built by another version of the projection.
            UsageError: no event at this position is parked.
        """
        return await self._engine.outside(lambda b: skip(b, self._target, self._runtime, self._at_work, position))

    async def audit(self, *, repair: bool = False, progress: Report | None = None) -> Audit:
        """Whether each event of the store was taken in exactly once: which are missing, and which were doubled.

        `repair` delivers each that is missing, in a transaction of its own: late, after those that came after it. One that
        fails, or stands behind a dead letter of its key, becomes a dead letter. `progress` is told the position reached and
        the last one. Work on the read model may go on meanwhile.

        Raises:
            NoSuchProjection: nothing was begun yet.
            ProjectionChanged: it was built by another version of the projection.
            Unreadable: a missing event cannot be read.
        """
        return await self._engine.outside(
            lambda b: audit(b, self._target, self._runtime, self._at_work, repair=repair, progress=progress)
        )

    async def repartition(self, parts: int) -> None:
        """Let so many workers share the keys, by their hash, without stopping the work; 1 brings them together again.

        Parts that are joined are first brought to one position, by this call where nobody else does.

        Raises:
            UsageError: the projection has no `key` of its own, so two workers could change one row at once.
            ProjectionStopped: one of two parts that are to be joined is paused or failed, and the other is not, or not as far.
            What a handler raises: the parts are as many as they were by then, and the work goes on.
        """
        await self._engine.outside(lambda b: repartition(b, self._target, self._runtime, self._at_work, parts))
