"""Take: a command is decided upon by its decider, or, where that closes its books, in the current period."""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

from refold.closing import Closing
from refold.flows.periods import handle_in_period
from refold.flows.prepare import Runtime
from refold.flows.transact import Handled, handle
from refold.fold import Decider
from refold.messages import Context
from refold.ports import Backend

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")

Taker: TypeAlias = Decider[Any, Any, Any] | Closing[Any, Any, Any]
"""Who takes commands of a category."""


def decider_of(taker: Decider[C, S, E] | Closing[C, S, E]) -> Decider[C, S, E]:
    """Who decides."""
    return taker.decider if isinstance(taker, Closing) else taker


async def take(
    backend: Backend, runtime: Runtime, taker: Decider[C, S, E] | Closing[C, S, E], id: str, command: C, context: Context,
    key: str,
) -> Handled[S, E]:  # fmt: skip
    """Let a taker decide upon a command, once for a key.

    Raises:
        As `handle` and `handle_in_period`.
    """
    if isinstance(taker, Closing):
        return await handle_in_period(backend, runtime, taker, id, command, context, key)
    return await handle(backend, runtime, taker, id, command, context, key)
