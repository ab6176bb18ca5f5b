"""Steps: what the code of a saga awaits. Each has a name, by which its result is found again when the code runs anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar, TypeVarTuple, overload
from uuid import UUID, uuid5

from msgspec import Struct

from refold.errors import UsageError, shortened
from refold.external import Retry
from refold.fold import Send
from refold.messages import checked_name

E = TypeVar("E")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")

Kind: TypeAlias = Literal["step", "command", "sleep", "signal"]
_NAMES: Final = UUID("f3a1d0a2-7d2b-5c3c-8a52-3f5f0f2f9f11")
PATIENCE: Final = timedelta(seconds=30)
"""How long an attempt of a coroutine function may take, where nothing else is said."""


class SagaFailure(Exception):
    """Why a saga does not go on: raised out of its code, it lets what was done be undone."""


class StepFailed(SagaFailure):
    """A step failed, for as often as it was tried."""

    def __init__(self, name: str, error: str) -> None:
        self.name, self.error = name, error
        super().__init__(f"step {name!r} failed: {error}")


class StepTimedOut(StepFailed):
    """What was waited for did not come in time."""


class SagaAborted(SagaFailure):
    """Raise it in a saga's code to end it, and undo what was done."""


class Declined(Exception):
    """Raise it in a step, to say that certainly nothing happened, and that trying again is of no use.

    An undo, or a step after the pivot, is parked then: it must be done.
    """


class Want(Struct, frozen=True):
    """Something that a saga's code waits for, with all that is needed to bring it about, and to undo it."""

    name: str
    kind: Kind
    function: Callable[..., Any] | None = None
    args: tuple[Any, ...] = ()
    undo: Callable[..., Any] | Send | None = None
    command: Send | None = None
    signal: type[Any] | None = None
    delay: timedelta | None = None
    retry: Retry = Retry()
    timeout: timedelta = PATIENCE
    pivot: bool = False


class Step(Generic[R]):
    """One step, to be awaited, or handed to `parallel`."""

    def __init__(self, want: Want) -> None:
        self.want = want

    def __await__(self) -> Generator[Sequence[Want], Sequence[Any], R]:
        """Let the saga wait for it."""
        (result,) = yield (self.want,)
        return result  # type: ignore[no-any-return] # it was read as what the step's function gives


class _Together(Generic[R]):
    def __init__(self, steps: Sequence[Step[R]]) -> None:
        self._steps = steps

    def __await__(self) -> Generator[Sequence[Want], Sequence[Any], tuple[R, ...]]:
        return tuple((yield [step.want for step in self._steps]))


class Steps:
    """What the code of a saga is given. All of it depends on what is recorded alone, so the code can run again and again.

    A name stands for one step of a run, for ever: results are found by it, so steps may be added, and put in another
    order, under instances that are under way.
    """

    def __init__(
        self, saga: str, instance: str, now: Callable[[], datetime], hears: Sequence[type[Any]] | None = None
    ) -> None:
        """`hears`: the classes of what may be waited for; `None` if that is not known."""
        self._saga, self._instance, self._now, self._hears = saga, instance, now, hears
        self.made: list[Want] = []
        """Every step that the code made, whether it awaits it or not."""

    @property
    def id(self) -> str:
        """The instance's id."""
        return self._instance

    @overload
    def step(
        self, name: str, function: Callable[[*Ts], Awaitable[R]], *args: *Ts,
        undo: Callable[[*Ts], object] | None = None, retry: Retry = ..., timeout: timedelta = ..., pivot: bool = False,
    ) -> Step[R]: ...  # fmt: skip
    @overload
    def step(
        self, name: str, function: Callable[[*Ts], R], *args: *Ts,
        undo: Callable[[*Ts], object] | None = None, retry: Retry = ..., timeout: timedelta = ..., pivot: bool = False,
    ) -> Step[R]: ...  # fmt: skip
    def step(  # type: ignore[misc] # mypy does not see that any arguments are such as the overloads take
        self, name: str, function: Callable[..., Any], *args: Any,
        undo: Callable[..., object] | None = None, retry: Retry = Retry(), timeout: timedelta = PATIENCE, pivot: bool = False,  # noqa: B008 - frozen
    ) -> Step[Any]:  # fmt: skip
        """Call `function(*args)` outside of any transaction, at least once, and keep what it returns.

        `undo` is called with the same arguments if the saga fails later, and also if this step fails, since then nobody knows
        whether it had an effect: it must accept that there is nothing to undo. Hand on `key(name)`, so that the other side can
        tell a repeat, and does nothing more under a key that was undone: an attempt that was given up may still arrive. After a
        step that is the `pivot` the saga only goes forward: what fails is parked, not undone.
        """
        return self._step(Want(name, "step", function, args, undo, None, None, None, retry, timeout, pivot))

    def command(self, name: str, send: Send, *, undo: Send | None = None, pivot: bool = False) -> Step[int]:
        """Let a decider decide upon a command, with effect once; the result is the version of its stream.

        It fails if the decider refuses it; then there is nothing to undo.
        """
        return self._step(Want(name, "command", command=send, undo=undo, pivot=pivot))

    def sleep(self, name: str, delay: timedelta) -> Step[None]:
        """Wait so long."""
        return self._step(Want(name, "sleep", delay=delay))

    def wait_for(self, name: str, event: type[E], *, timeout: timedelta | None = None) -> Step[E]:
        """Wait for an event of a class that the saga hears: the first that was not waited for before.

        After `timeout` it fails, as `StepTimedOut`.

        Raises:
            UsageError: the saga does not hear it, so it would wait in vain; or it is no class.
        """
        try:
            is_heard = self._hears is None or any(issubclass(cls, event) for cls in self._hears)
        except TypeError as error:
            raise UsageError(
                f"saga {self._saga!r} waits for {shortened(event)} as {name!r}, and that is no class: write "
                f"wait_for({name!r}, ThatEvent)."
            ) from error
        if not is_heard:
            cls = getattr(event, "__qualname__", str(event))
            raise UsageError(f"saga {self._saga!r} waits for {cls}, and does not hear it: write hears=[{cls}].")
        return self._step(Want(name, "signal", signal=event, delay=timeout))

    def parallel(self, *steps: Step[R]) -> Awaitable[tuple[R, ...]]:
        """All of the steps side by side. If some fail, the others are waited for, and then the first that failed is raised."""
        if not steps:
            raise UsageError("parallel() waits for nothing: give it the steps that should run side by side.")
        return _Together(steps)

    def key(self, name: str) -> str:
        """The idempotency key of a step: the same on every attempt, and for its undo."""
        return str(uuid5(_NAMES, f"{self._saga}-{self._instance} key {name}"))

    def uuid(self, name: str) -> UUID:
        """An id for something new, the same in each run."""
        return uuid5(_NAMES, f"{self._saga}-{self._instance} uuid {name}")

    def now(self) -> datetime:
        """The time, UTC: when the last result came that the code has seen, or the saga began."""
        return self._now()

    def _step(self, want: Want) -> Step[Any]:
        checked_name("step name", want.name)
        self.made.append(want)
        return Step(want)
