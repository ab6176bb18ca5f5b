"""Forgotten: where the store last told that somebody was, so that no state which was folded before that is kept or saved."""

from __future__ import annotations

from refold.flows.prepare import Runtime
from refold.personal import FORGOTTEN
from refold.ports import Backend, InCategory, Selection


async def told_at(backend: Backend) -> int:
    """The position at which it was last told that somebody was forgotten, 0 if it never was."""
    newest = await backend.read(Selection(InCategory(FORGOTTEN), backward=True, limit=1))
    return newest[0].position if newest else 0


async def known_at(backend: Backend, runtime: Runtime) -> int:
    """The same, before something is folded: no key that was destroyed until then is used for it any more."""
    position = await told_at(backend)
    if runtime.codec.sealing is not None:
        runtime.codec.sealing.since(position)
    return position
