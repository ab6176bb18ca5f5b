"""Asked: a call that was let in, with who asks, and the store that they see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct

from refold.aio import AsyncStore
from refold.http.access import Access
from refold.http.classes import Classes
from refold.subscription import AsyncSubscription


class Asked(Struct, frozen=True):
    """Who asks, the store that they see, the classes that are known, and how long a subscription goes on.

    `lets_in` says whether they may still ask, which is looked at every `look_after` seconds; `open_slot` counts a subscription
    of theirs, and what it gives back ends that; `following` are the subscriptions that are open, of everybody.
    """

    access: Access
    store: AsyncStore
    classes: Classes
    lets_in: Callable[[], Awaitable[bool]]
    open_slot: Callable[[], Callable[[], None]]
    following: set[AsyncSubscription]
    look_after: float

    def reads_everything(self) -> None:
        """Raises `Declined`, 403, if they may not: what a query finds may stand in any category."""
        self.access.check("read", [None])
