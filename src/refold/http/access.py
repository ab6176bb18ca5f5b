"""Who may do what: grants over categories, and the access that a request has."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Final, Literal, TypeAlias, get_args

from msgspec import Struct
from starlette.requests import Request

from refold.errors import UsageError
from refold.http.problems import Declined
from refold.messages import OWN, StreamName

Action: TypeAlias = Literal["read", "append", "admin"]


class Grant(Struct, frozen=True):
    """One scope: to read, to append, or to steer what runs; in categories that begin with `prefix`, or in all."""

    action: Action
    prefix: str = ""

    @staticmethod
    def parse(text: str) -> Grant:
        """The grant that is written `append:cart`, or `read` for every category.

        Raises:
            UsageError: it is none.
        """
        action, _, prefix = text.partition(":")
        if action not in get_args(Action):
            raise UsageError(f"{text!r} is no scope: write read, append or admin, or append:cart for some categories.")
        if action == "admin" and prefix:
            raise UsageError(f"{text!r} is no scope: who steers read models and processes steers all of them: admin.")
        return Grant(action, prefix)  # type: ignore[arg-type] # one of the three

    def __str__(self) -> str:
        return f"{self.action}:{self.prefix}" if self.prefix else self.action


class Access(Struct, frozen=True):
    """Who asks, as events will say (`actor`), what they may, and the store of which tenant they see, if of one.

    `id` tells them from others of the same name; without one, whoever has the same name is the same.
    """

    name: str
    grants: tuple[Grant, ...]
    tenant: str | None = None
    expires_at: datetime | None = None
    id: str | None = None

    @property
    def key(self) -> str:
        """What tells who asks from everybody else, in 40 characters."""
        told = f"name:{self.name}" if self.id is None else f"id:{self.id}"
        return hashlib.sha256(told.encode()).hexdigest()[:40]

    def may(self, action: Action, category: str | None = None) -> bool:
        """Whether that is allowed in a category, or, without one, in all. Refold's own categories are the admin's."""
        if category is not None and category.startswith(OWN) and not self._has("admin"):
            return False
        return any(
            grant.action == action and (category or "").startswith(grant.prefix)
            if category is not None
            else (grant.action == action and not grant.prefix)
            for grant in self.grants
        )

    def may_somewhere(self, action: Action) -> bool:
        """Whether that is allowed in some category."""
        return self._has(action)

    def _has(self, action: Action) -> bool:
        return any(grant.action == action for grant in self.grants)

    def check(self, action: Action, categories: Iterable[str | None]) -> None:
        """Raises `Declined`, 403, if that is not allowed in one of these categories, where None stands for all."""
        for category in categories:
            if not self.may(action, category):
                where = "everywhere" if category is None else f"in category {category!r}"
                raise forbidden(self, f"{action} {where}")


def category_of(stream: str) -> str:
    """The category of a stream.

    Raises:
        InvalidName: the stream's.
    """
    return StreamName.parse(stream).category


def forbidden(access: Access, what: str) -> Declined:
    """The refusal for a token that is known, and may not do that."""
    return Declined(403, "forbidden", f"{access.name!r} may not {what}: it takes a token with that scope.")


Authorize: TypeAlias = Callable[[Request], Awaitable[Access | None]]
"""The access of a request; None if it has none, which is answered with 401."""

EVERYTHING: Final = (Grant("read"), Grant("append"), Grant("admin"))


async def anyone(_: Request) -> Access:
    """Everything for everybody: behind something that has asked already."""
    return Access("anyone", EVERYTHING)
