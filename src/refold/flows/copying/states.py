"""Compare states: every stream of some folds, folded in source and target."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec import Struct

from refold.copying.report import StateDifference, States
from refold.errors import RefoldError, Unreadable, UsageError, shortened
from refold.flows.load import load
from refold.flows.prepare import Runtime
from refold.flows.survey import streams_page
from refold.fold import Fold
from refold.messages import Position, StreamName
from refold.patching import comparable
from refold.ports import Backend

SHOWN: Final = 20
"""How many differing states are kept to be shown; the rest are counted."""


class _Failed(Struct, frozen=True, eq=False):
    """In place of a state that there is not: why."""

    error: str


async def compare_states(
    source: Backend,
    target: Backend,
    source_runtime: Runtime,
    target_runtime: Runtime,
    folds: Sequence[Fold[Any, Any]],
    until: Position,
) -> States:
    """The states of all streams of these folds: as they were in the source at a position, and as they are in the target.

    A stream that cannot be read, or upon which the fold raises something, differs, and has the error for its state.
    """
    compared = differing = incomparable = 0
    shown: list[StateDifference] = []
    for fold in folds:
        prefix = f"{fold.category}-"
        names = {name async for name in _names(source, prefix)} | {name async for name in _names(target, prefix)}
        for name in sorted(names):
            was = await _state(source, source_runtime, fold, name, until)
            now = await _state(target, target_runtime, fold, name, None)
            same = _same(was, now)
            compared, incomparable = compared + (same is not None), incomparable + (same is None)
            if same is False:
                differing += 1
                shown += [StateDifference(name, _shown(was), _shown(now))] if len(shown) < SHOWN else []
    return States(compared, differing, tuple(shown), incomparable)


async def _names(backend: Backend, prefix: str) -> AsyncIterator[str]:
    after = ""
    while page := await streams_page(backend, after, prefix):
        for info in page:
            yield info.stream
        after = page[-1].stream


async def _state(
    backend: Backend, runtime: Runtime, fold: Fold[Any, Any], stream: str, until: Position | None
) -> object:
    try:
        loaded = await load(backend, runtime, fold, StreamName.parse(stream).id, until)
    except Unreadable as error:
        return _Failed(str(error))
    except RefoldError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the fold raises
        return _Failed(f"the fold raises {type(error).__name__}: {error}".rstrip(": "))
    return loaded.state if loaded.version else None


def _same(was: object, now: object) -> bool | None:
    """Whether both are equal, as they are or as JSON; None where their class knows neither."""
    if any(each is None or isinstance(each, _Failed) for each in (was, now)):
        return was is now
    with suppress(Exception):  # not everything can be asked that
        if was == now:
            return True
    try:
        return bool(comparable(was) == comparable(now))
    except UsageError:
        return None


def _shown(state: object) -> Any:  # noqa: ANN401 - JSON of any shape
    if isinstance(state, _Failed):
        return {"error": state.error}
    try:
        return comparable(state)
    except UsageError:  # what no event could hold, a state may
        return {"state": shortened(state)}
