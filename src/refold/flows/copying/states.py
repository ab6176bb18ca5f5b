"""Compare states: every stream of some folds, folded in source and target."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from refold.codec import as_ordered_json
from refold.copying.report import StateDifference, States
from refold.errors import Unreadable, shortened
from refold.flows.load import load
from refold.flows.prepare import Runtime
from refold.flows.survey import streams_page
from refold.fold import Fold
from refold.messages import Position, StreamName
from refold.ports import Backend

SHOWN: Final = 20
"""How many differing states are kept to be shown; the rest are counted."""


async def compare_states(
    source: Backend,
    target: Backend,
    source_runtime: Runtime,
    target_runtime: Runtime,
    folds: Sequence[Fold[Any, Any]],
    until: Position,
) -> States:
    """The states of all streams of these folds: as they were in the source at a position, and as they are in the target.

    A stream that cannot be read differs, and has the error for its state.
    """
    compared = differing = 0
    shown: list[StateDifference] = []
    for fold in folds:
        prefix = f"{fold.category}-"
        names = {name async for name in _names(source, prefix)} | {name async for name in _names(target, prefix)}
        for name in sorted(names):
            was = await _state(source, source_runtime, fold, name, until)
            now = await _state(target, target_runtime, fold, name, None)
            compared += 1
            if was != now or isinstance(was, Unreadable):
                differing += 1
                shown += [StateDifference(name, _shown(was), _shown(now))] if len(shown) < SHOWN else []
    return States(compared, differing, tuple(shown))


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
        return error
    return loaded.state if loaded.version else None


def _shown(state: object) -> Any:  # noqa: ANN401 - JSON of any shape
    if isinstance(state, Unreadable):
        return {"error": str(state)}
    try:
        return as_ordered_json(state)
    except (NotImplementedError, TypeError):  # what no event could hold, a state may
        return {"state": shortened(state)}
