"""Runner: keeps projections running, shares them out with the runners of other processes, and goes on whatever happens."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from msgspec import Struct

from refold._bridge.crews import Crew
from refold.errors import OutcomeUnknown, ProjectionChanged, ReceiverAway, RefoldError, StoreError, UsageError
from refold.flows.prepare import Runtime
from refold.flows.projections.builds import Build, active_build, builds, with_role
from refold.flows.projections.ownership import Runner as Owner
from refold.flows.projections.persevering import GivenUp, Persevering
from refold.flows.projections.rebuilding import begin_rebuild, try_switch, until_of
from refold.flows.projections.standing import let_go_if_deserted
from refold.flows.projections.work import BATCH, Stepped, Work, partitions, take_up
from refold.ports import Backend, Unclaimed
from refold.projection import Projection

LEASE: Final = timedelta(seconds=5)
"""How long a partition belongs to a runner that is not heard of any more."""
NEXT_LOOK: Final = 0.02
"""Seconds until a worker that waits for another one looks whether that is further."""
IDLE: Final = 1.0
"""Seconds after which a worker looks anew although no news came."""
LOOK: Final = 1.0
"""Seconds after which it is looked again who is there, and what is to be done."""
FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 5.0
"""Seconds between two tries while the store is away."""

_log = logging.getLogger("refold.runner")


class StepSeen(Struct, frozen=True):
    """What a worker did in one step, for whoever observes it: `seconds` is how long it took.

    `traces`: the trace contexts that its events carry in their metadata, as `traceparent`. `error`: the class of what a handler
    raised; nothing was done then.
    """

    projection: str
    build: int
    first_slot: int
    position: int
    applied: int
    parked: int
    seconds: float
    traces: tuple[str, ...] = ()
    error: str = ""


Observe = Callable[[StepSeen], None]


Duty = Callable[[tuple[int, int], Callable[[], bool]], Coroutine[Any, Any, None]]
"""What is done for the slots of a partition, beside working on it, as long as the second argument says so."""
_NO_DUTIES: Final[Mapping[str, Duty]] = {}


class Worker:
    """Works on one partition for as long as it belongs to this runner."""

    def __init__(self, build: Build, projection: Projection, slots: tuple[int, int]) -> None:
        self.build, self.projection, self.slots, self.first = build, projection, slots, slots[0]
        self.is_wanted = True
        self.is_done = False
        self.most = BATCH

    @property
    def key(self) -> tuple[str, int, int]:
        """What tells it apart."""
        return self.build.projection, self.build.number, self.first


class Tending:
    """The projections of one runner, tended: begun, rebuilt, acquired, worked on, let go."""

    def __init__(
        self, source: Backend, target: Backend, runtime: Runtime, projections: Sequence[Projection], crew: Crew,
        *, name: str, lease: timedelta = LEASE, observe: Observe | None = None, duties: Mapping[str, Duty] = _NO_DUTIES,
    ) -> None:  # fmt: skip
        """`duties`: by the name of a projection, what is also done for each of its partitions that this runner has."""
        self._source, self._target, self._runtime, self._crew = source, target, runtime, crew
        self._projections = {projection.name: projection for projection in projections}
        self._owner = Owner(name, lease, runtime)
        self._tick = min(lease.total_seconds() / 4, LOOK)
        self._longest = lease.total_seconds() / 2
        self._observe, self._duties = observe, duties
        self._workers: dict[tuple[str, int, int], Worker] = {}
        self.troubles: dict[str, RefoldError] = {}
        """Why a projection is not run by this runner, by its name."""

    async def tend(self) -> None:
        """Go on until the crew stops; then let everything go."""
        wait = FIRST_WAIT
        while not self._crew.stopping:
            try:
                await self._round()
            except Unclaimed:  # somebody else was quicker: look again
                await self._crew.pause(FIRST_WAIT)
            except (StoreError, OutcomeUnknown) as error:
                _log.warning("the store is away, trying again in %.1f s: %s", wait, error)
                await self._crew.pause(wait)
                wait = min(wait * 2, LONGEST_WAIT)
            except Exception:  # noqa: BLE001 - whatever it is: what is held goes on being held
                _log.exception("a round of the runner failed")
                await self._crew.pause(self._tick)
            else:
                wait = FIRST_WAIT
                await self._crew.pause(self._tick)
        await self._let_go()

    async def _round(self) -> None:
        await self._owner.beat(self._target, [p for name, p in self._projections.items() if name not in self.troubles])
        wanted: dict[tuple[str, int, int], Worker] = {}
        for projection in self._projections.values():
            count = 0
            for build in await self._builds(projection):
                parts = [part for part in await partitions(self._target, build) if part.state == "running"]
                for part in await self._owner.share(self._target, build, parts, count):
                    worker = Worker(build, projection, (part.first, part.last))
                    wanted[worker.key] = worker
                count += len(parts)
                await self._see_to_the_switch(projection, build)
        await self._keep(wanted)
        await self._take(wanted)

    async def _see_to_the_switch(self, projection: Projection, build: Build) -> None:
        """Make it, if the time has come; and let nobody wait for one that will not come."""
        try:
            if build.role == "building":
                await try_switch(self._source, self._target, self._runtime, projection, build)
            else:
                await let_go_if_deserted(self._target, self._runtime, build, await partitions(self._target, build))
        except UsageError as error:
            _log.error("projection %r cannot be switched to version %d: %s", build.projection, build.version, error)
            for part in await partitions(self._target, build):
                await self._owner.fail(self._target, build, part, f"it cannot take its place: {error}")

    async def _builds(self, projection: Projection) -> Sequence[Build]:
        """What is to be worked on of a projection: the active build, or that of a new version beside it."""
        try:
            found = await builds(self._target, projection.name)
            active, building = with_role(found, "active"), with_role(found, "building")
            if active is None:
                return [await active_build(self._target, self._runtime.clock, projection)]
            if active.version < projection.version:
                building = await begin_rebuild(self._target, self._runtime, projection, again=False)
            elif active.version > projection.version:
                raise ProjectionChanged(projection.name, active.version, projection.version)  # noqa: TRY301 - told like the others
        except (ProjectionChanged, UsageError) as error:
            if str(self.troubles.get(projection.name)) != str(error):
                _log.error("projection %r is not run here: %s", projection.name, error)
            self.troubles[projection.name] = error
            return []
        self.troubles.pop(projection.name, None)
        return [build for build in (active, building) if build is not None and build.version == projection.version]

    async def _keep(self, wanted: dict[tuple[str, int, int], Worker]) -> None:
        """Renew what is held and still wanted, and let the workers of the rest end."""
        held = sorted((worker for worker in self._workers.values() if not worker.is_done), key=lambda each: each.key)
        renewed = await self._owner.renew(self._target, [(worker.build, worker.first) for worker in held])
        for worker, is_ours in zip(held, renewed, strict=True):
            before = wanted.get(worker.key)
            if not is_ours or before is None or before.build != worker.build:
                worker.is_wanted = False
        self._workers = {key: worker for key, worker in self._workers.items() if not worker.is_done}

    async def _take(self, wanted: dict[tuple[str, int, int], Worker]) -> None:
        for key, worker in wanted.items():
            if key not in self._workers and await self._owner.acquire(self._target, worker.build, worker.first):
                self._workers[key] = worker
                self._crew.start(f"refold-{key[0]}-{worker.first}", partial(self._work, worker))
                if (duty := self._duties.get(key[0])) is not None:
                    is_wanted = partial(_is_at_work, worker)
                    self._crew.start(f"refold-{key[0]}-{worker.first}-duties", partial(duty, worker.slots, is_wanted))

    async def _work(self, worker: Worker) -> None:
        try:
            await self._go_on(worker)
        except (Exception, SystemExit):  # noqa: BLE001 - whatever it is: the others go on, and it is said, as no thread does
            _log.exception("the worker of projection %r ended", worker.build.projection)
        finally:
            worker.is_done = True

    async def _go_on(self, worker: Worker) -> None:
        wait, persevering = FIRST_WAIT, None
        while worker.is_wanted and not self._crew.stopping:
            try:
                persevering = persevering or await self._taken_up(worker)
                if persevering is None:
                    break
                if await self._stepped(worker, persevering) is None:
                    persevering = await self._idle(worker, persevering)
                wait = FIRST_WAIT
            except Unclaimed:
                persevering = None
            except GivenUp as given_up:
                assert persevering is not None  # noqa: S101 - it gave up
                _log.error("projection %r failed: %s", worker.build.projection, given_up)
                return await self._owner.fail(self._target, worker.build, persevering.work.partition, str(given_up))
            except (StoreError, OutcomeUnknown, ReceiverAway) as error:
                asked = error.retry_after if isinstance(error, ReceiverAway) else 0.0
                _log.warning("projection %r waits %.1f s: %s", worker.build.projection, max(wait, asked), error)
                await self._wait(worker, max(wait, asked))
                wait, persevering = min(wait * 2, LONGEST_WAIT), None
        try:
            await self._owner.release(self._target, worker.build, worker.first)
        except (StoreError, OutcomeUnknown) as error:  # its lease runs out
            _log.warning("projection %r could not be let go: %s", worker.build.projection, error)
        return None

    async def _wait(self, worker: Worker, seconds: float) -> None:
        """Wait so long, or until it is no longer wanted."""
        end = self._crew.now() + seconds
        while worker.is_wanted and not self._crew.stopping and (left := end - self._crew.now()) > 0:
            await self._crew.pause(min(left, self._tick))

    async def _stepped(self, worker: Worker, persevering: Persevering) -> Stepped | None:
        until = await until_of(self._target, worker.projection, worker.build)
        started = self._crew.now()
        stepped = await persevering.step(self._source, self._target, self._runtime, self._crew, until)
        seconds = self._crew.now() - started
        if stepped is not None:
            _follow(persevering.work, stepped, seconds)
            persevering.took(seconds, self._longest)
            worker.most = persevering.most
            if self._observe is not None:
                self._observe(StepSeen(
                    worker.build.projection, worker.build.number, worker.first, stepped.position, stepped.applied,
                    stepped.parked, seconds, stepped.traces, stepped.error,
                ))  # fmt: skip
        return stepped

    async def _idle(self, worker: Worker, persevering: Persevering) -> Persevering | None:
        """Wait for news; one that was told to stop somewhere looks whether that still holds."""
        if persevering.work.partition.stop_at is not None:
            await self._crew.pause(NEXT_LOOK)
            return None
        if worker.build.role == "building" and worker.projection.has_effects:
            await self._crew.pause(NEXT_LOOK)
        else:
            await self._crew.head_above(persevering.work.position, IDLE)
        return persevering

    async def _taken_up(self, worker: Worker) -> Persevering | None:
        """The partition as it is now; `None` if it is no longer this runner's."""
        found = with_number(await builds(self._target, worker.build.projection), worker.build)
        work = None if found is None else await take_up(self._target, worker.projection, worker.build, worker.first)
        if work is None or work.partition.owner != self._owner.name or work.partition.state != "running":
            return None
        work.observed = self._observe is not None
        return Persevering(work, worker.most)

    async def _let_go(self) -> None:
        """Whoever comes next need not wait for the leases to run out. Workers release their own as they end."""
        try:
            await self._owner.leave(self._target)
        except (StoreError, OutcomeUnknown) as error:
            _log.warning("could not say good-bye: %s", error)


def _is_at_work(worker: Worker) -> bool:
    return worker.is_wanted and not worker.is_done


def with_number(found: Sequence[Build], wanted: Build) -> Build | None:
    """The build as it is known here, if it still has its role."""
    return next((build for build in found if (build.number, build.role) == (wanted.number, wanted.role)), None)


def _follow(work: Work, stepped: Stepped, seconds: float) -> None:
    """The rate of the last steps, newer ones weighing more."""
    rate = stepped.applied / max(seconds, 1e-6)
    work.rate = rate if work.rate == 0 else 0.8 * work.rate + 0.2 * rate
