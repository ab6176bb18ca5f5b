"""The writer of a blocking backend: the flows of many callers, run whole, one after another, in one transaction.

So many flows share one fsync, and flows of one process never conflict, not even on one stream. Each has an outcome of
its own, told only after the commit.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from refold._bridge.stepping import Flow, run_sync
from refold.errors import OutcomeUnknown, StoreError, UsageError
from refold.ports import Backend, Grouping

if TYPE_CHECKING:
    from asyncio import Future

T = TypeVar("T")

_WHOLE: Final = nullcontext()

GROUP: Final = 512
"""How many flows share one commit at most."""
POLL: Final = 0.01
"""Seconds between looks for what other processes appended, while somebody waits for it."""
SLOW: Final = 0.02
"""Seconds after which a decision counts as slow, and is from then on decided outside the transaction."""


class Job(Generic[T]):
    """One flow in line, and then its outcome."""

    __slots__ = ("abandoned", "done", "error", "flow", "future", "kind", "leads", "looks", "result", "told")

    def __init__(self, flow: Flow[T], kind: str, future: Future[T] | None = None, *, looks: bool = False) -> None:
        self.flow, self.kind, self.future, self.looks = flow, kind, future, looks
        self.done = self.abandoned = self.leads = False
        self.told: threading.Lock | None = None
        self.result: T | None = None
        self.error: BaseException | None = None

    def outcome(self) -> T:
        """The flow's result, or its error raised."""
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value] # set, since the job is done without an error


class Writer:
    """Holds the write connection. One thread leads: it runs what waits, tells the others, and hands the lead on."""

    def __init__(self, backend: Grouping, tell: Callable[[list[Job[Any]]], None] | None = None) -> None:
        self.backend = backend
        self._tell = tell
        self.slow: set[str] = set()
        self.committed = threading.Event()
        self._waiting: deque[Job[Any]] = deque()
        self._alone = self._careful = 0
        self._line, self._work = threading.Lock(), threading.Lock()
        self._is_led = self._commits = False
        self._owner = 0

    def run(self, flow: Flow[T], kind: str = "", *, looks: bool = False) -> T:
        """Run a flow in this thread, or let the thread that is writing now run it with its own.

        One that only `looks` wakes nobody who waits for an append.

        Raises:
            UsageError: it was called from within a decision, which must not use the store.
        """
        self.check_outside()
        job = Job(flow, kind, looks=looks)
        try:
            self._line_up(job)
            while not job.done:
                self._run_group(job)
        except BaseException:
            with self._line:
                job.abandoned = True
            raise
        finally:
            self._hand_on(job)
        return job.outcome()

    def _line_up(self, job: Job[Any]) -> None:
        """Return when the job is done, or when it is for its thread to run what waits."""
        with self._line:
            self._waiting.append(job)
            if not self._is_led:
                self._is_led = job.leads = True
                return
            job.told = told = threading.Lock()
            told.acquire()
        told.acquire()

    def _hand_on(self, job: Job[Any]) -> None:
        """Who led lets the first lead that waits: each is woken once, for its outcome or for the lead."""
        if not job.leads:
            return
        with self._line:
            job.leads = False
            for other in self._waiting:
                if other.told is not None and not other.abandoned:
                    other.leads = True
                    other.told.release()
                    return
            self._is_led = False

    def check_outside(self) -> None:
        """Raises `UsageError` when called from within a decision, which must not use the store."""
        if self._owner == threading.get_ident():
            raise UsageError(
                "a decision used the store that it decides for: decide from the state and the command alone."
            )

    def submit(self, job: Job[Any]) -> None:
        """Put a job in line for the thread that calls `run_waiting`."""
        with self._line:
            self._waiting.append(job)

    def run_waiting(self) -> None:
        """Run all that waits. What becomes of it is told to its own callers."""
        while self._waiting:
            with suppress(StoreError, OutcomeUnknown):  # of the whole group, of which nothing is a part
                self.run(_nothing, looks=True)

    def close(self) -> None:
        """Close the backend, when no flow runs."""
        with self._work:
            run_sync(self.backend.close())

    def _run_group(self, own: Job[Any]) -> None:
        group: list[Job[Any]] = []
        self._owner = threading.get_ident()
        try:
            with self._work:
                self._transaction(group)
            self._told(group, own)
        except BaseException as interrupt:
            self._interrupted([job for job in group if job is not own], own, interrupt)
            raise
        finally:
            self._owner = 0
        if self._tell:
            self._tell(group)

    def _interrupted(self, others: list[Job[Any]], own: Job[Any], interrupt: BaseException) -> None:
        """Only the interrupted caller's job ends with it. The others are run again, unless they may have been committed."""
        self.backend.roll_back()
        left = [job for job in others if not job.done and job not in self._waiting]
        if self._commits:
            _fail(left, OutcomeUnknown(interrupt))
        else:
            self._waiting.extendleft(reversed(left))
            others = [job for job in others if job.done]
        self._told(others, own)

    def _told(self, group: list[Job[Any]], own: Job[Any]) -> None:
        """Let those go on who wait for their outcome. Told twice is fine: an interrupt may have left some out."""
        for job in group:
            job.done = True
            if job.told is not None and job is not own and job.told.locked():
                job.told.release()
        if wrote(group):
            self.committed.set()

    def _transaction(self, group: list[Job[Any]]) -> None:
        self._commits = False
        try:
            self.backend.begin()
            if self._fill(group):
                self._commits = True
                self.backend.commit()
        except StoreError as error:
            self._commits = False
            self.backend.roll_back()
            self._failed(group, error)
        except OutcomeUnknown as error:
            _fail(group, error)

    def _fill(self, group: list[Job[Any]]) -> bool:
        """Run jobs while there are any: those that come in meanwhile join. False: there is nothing left to commit."""
        most = 1 if self._alone else GROUP
        self._alone = max(0, self._alone - 1)
        while self._waiting and len(group) < most:
            job = self._waiting.popleft()
            if job.abandoned:
                continue
            group.append(job)
            if self._left_nothing_behind(job):
                continue
            self.backend.roll_back()
            if len(group) > 1:
                self._again(group)
                self._careful = len(group)
                group.clear()
            return False
        return True

    def _left_nothing_behind(self, job: Job[Any]) -> bool:
        """Run a job. False: it failed halfway, and what it has changed must be undone.

        That is rare, since a job decides first and then appends. So none has a savepoint, which would cost each a third of
        its time; only where one has failed halfway, its group is run again with them.
        """
        if self._careful:
            self._careful -= 1
            self._try(job, self.backend.attempt())
            return True
        before = self.backend.mark()
        return self._try(job, _WHOLE) or self.backend.mark() == before

    def _try(self, job: Job[Any], part: AbstractContextManager[None]) -> bool:
        started = time.perf_counter()
        job.result = job.error = None  # what came of it in a group that was undone
        try:
            with part:
                job.result = run_sync(job.flow(self.backend))
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - told to its own caller, whatever it is
            job.error = error
            return False
        except BaseException as error:
            if self._tell is None:  # an interrupt of the thread that does the work
                raise
            job.error = error  # on a thread of our own it came out of the decision, and goes to who asked for it
            return False
        if job.kind and time.perf_counter() - started > SLOW:
            self.slow.add(job.kind)
        return True

    def _failed(self, group: list[Job[Any]], error: StoreError) -> None:
        """The store failed. What was too much for many may do for each, so each gets a transaction of its own."""
        if not group:  # not even begun
            group.extend(self._waiting.popleft() for _ in range(len(self._waiting)))
            _fail(group, error)
        elif len(group) == 1:
            _fail(group, error)
        else:
            self._alone, self._careful = len(group), 0
            self._again(group)
            group.clear()

    def _again(self, group: list[Job[Any]]) -> None:
        """Put them in line again, before all others."""
        self._waiting.extendleft(reversed(group))


async def _nothing(backend: Backend) -> None:
    """What one runs who wants the others run."""


def wrote(group: Sequence[Job[Any]]) -> bool:
    """Whether something may have been appended."""
    return not all(job.looks for job in group)


def _fail(group: list[Job[Any]], error: Exception) -> None:
    for job in group:
        job.result, job.error = None, error
