"""Handing: what a command left behind is where the next one on its stream begins, if both run in one transaction."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, TypeVar

from refold.flows.load import Loaded
from refold.flows.prepare import Runtime
from refold.fold import Fold
from refold.ports import Backend
from refold.sameness import mutable_part
from refold.snapshot import state_hint

S = TypeVar("S")

_FOLDS: Final = 256


def hand_on(backend: Backend, runtime: Runtime, fold: Fold[S, Any], stream: str, left: Loaded[S]) -> None:
    """Leave a state for who comes next in the transaction that is open, if nobody can change it in place."""
    handed = _open(backend, runtime, fold)
    if handed is not None and _stays(fold):
        handed[fold, stream] = left


def take_over(backend: Backend, runtime: Runtime, fold: Fold[S, Any], stream: str) -> Loaded[S] | None:
    """What the one before left. Something else of the transaction may have appended there since: it may be old."""
    handed = _open(backend, runtime, fold)
    return handed.get((fold, stream)) if handed else None


def _open(backend: Backend, runtime: Runtime, fold: Fold[Any, Any]) -> dict[object, Any] | None:
    """A fold with snapshots or a cache has a way of its own, and a store that verifies loads each state."""
    if runtime.verifying or (runtime.shortcuts and fold in runtime.shortcuts):
        return None
    return getattr(backend, "handed", None)  # of a `Grouping` one; to ask whether it is one takes longer than this


@lru_cache(_FOLDS)
def _stays(fold: Fold[Any, Any]) -> bool:
    return not mutable_part(state_hint(fold))
