"""Tokens: secrets that let somebody in, kept as events of the store that they open, by their hashes alone."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from starlette.requests import Request

from refold.aio import AsyncStore
from refold.errors import UsageError
from refold.fold import OwnDecider
from refold.http.access import EVERYTHING, Access, Grant
from refold.http.quotas import Guesses
from refold.messages import Recorded, command, event

TOKENS: Final = "$token"
"""The category of the streams that tokens are kept in."""
_WRITTEN: Final = re.compile(r"refold_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


@command("$token.issue")
class IssueToken:
    """Let a new token in."""

    name: str
    hash: str
    scopes: tuple[str, ...]
    tenant: str | None
    expires_at: datetime | None


@command("$token.rotate")
class RotateToken:
    """Give it a new secret; the old one is good until then."""

    hash: str
    until: datetime


@command("$token.revoke")
class RevokeToken:
    """Let it in no more."""

    reason: str


@event("$token.issued")
class TokenIssued:
    """A token was issued; only the hash of its secret is known."""

    name: str
    hash: str
    scopes: tuple[str, ...]
    tenant: str | None
    expires_at: datetime | None


@event("$token.rotated")
class TokenRotated:
    """It has a new secret; the one before was good until then."""

    hash: str
    until: datetime


@event("$token.revoked")
class TokenRevoked:
    """It is good no more."""

    reason: str


Fact: TypeAlias = TokenIssued | TokenRotated | TokenRevoked


@dataclass(frozen=True)
class Token:
    """A token as it is. `hashes`: of its secrets, each with the time until which it is good, if that is limited."""

    name: str = ""
    hashes: tuple[tuple[str, datetime | None], ...] = ()
    scopes: tuple[str, ...] = ()
    tenant: str | None = None
    expires_at: datetime | None = None
    revoked: str | None = None

    def opens(self, secret: str, now: datetime) -> bool:
        """Whether this is a secret of it, and it is good."""
        if self.revoked is not None or (self.expires_at is not None and self.expires_at <= now):
            return False
        given = hashed(secret)
        fits = [hmac.compare_digest(given, hash) and (until is None or now < until) for hash, until in self.hashes]
        return any(fits)

    def access(self, id: str) -> Access:
        """What it gives access to; `id`: its own."""
        return Access(self.name, tuple(map(Grant.parse, self.scopes)), self.tenant, self.expires_at, id)


def _evolve(token: Token, fact: Fact) -> Token:
    match fact:
        case TokenIssued(name, hash, scopes, tenant, expires_at):
            return Token(name, ((hash, None),), scopes, tenant, expires_at)
        case TokenRotated(hash, until):
            return replace(token, hashes=((hash, None), (token.hashes[0][0], until)))
        case TokenRevoked(reason):
            return replace(token, revoked=reason)


def _decide(asked: IssueToken | RotateToken | RevokeToken, token: Token) -> Iterable[Fact]:
    if isinstance(asked, IssueToken):
        for scope in asked.scopes:
            Grant.parse(scope)
        yield TokenIssued(asked.name, asked.hash, asked.scopes, asked.tenant, asked.expires_at)
        return
    if not token.hashes:
        raise UsageError("there is no such token: `refold token list` tells which there are.")
    if isinstance(asked, RevokeToken):
        if token.revoked is None:
            yield TokenRevoked(asked.reason)
        return
    if token.revoked is not None:
        raise UsageError("the token is revoked: create another one.")
    yield TokenRotated(asked.hash, asked.until)


TOKEN: Final = OwnDecider(TOKENS, initial=Token, evolve=_evolve, decide=_decide)


def new_secret() -> str:
    """256 bits that nobody can guess."""
    return secrets.token_urlsafe(32)


def new_id() -> str:
    """What tells a token from others; no secret."""
    return secrets.token_hex(8)


def written(id: str, secret: str) -> str:
    """The token as its holder has it."""
    return f"refold_{id}_{secret}"


def hashed(secret: str) -> str:
    """What is kept of a secret. It is random and long, so that a fast hash hides it as well as a slow one."""
    return hashlib.sha256(secret.encode()).hexdigest()


def folded(events: Iterable[Recorded[Any]]) -> Mapping[str, Token]:
    """Tokens by their ids, of the events of their category."""
    found: dict[str, Token] = {}
    for each in events:
        found[each.stream.id] = _evolve(found.get(each.stream.id, Token()), each.data)
    return found


class TokenBearers:
    """Lets in who bears a token of the store. `open_without`: as long as there is no token at all, everybody."""

    def __init__(
        self,
        store: AsyncStore,
        *,
        open_without: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        guesses: Guesses | None = None,
    ) -> None:
        self._store, self._tokens = store, store.bind(TOKEN)
        self._open_without, self._now, self._guesses = open_without, now, guesses or Guesses()

    async def __call__(self, request: Request) -> Access | None:
        """The access of a request."""
        address = request.client.host if request.client else ""
        return await self.admit(request.headers.get("authorization", ""), address)

    async def admit(self, authorization: str, address: str) -> Access | None:
        """The access of who sends this. It is asked of the store each time, so that what is revoked is refused at once."""
        scheme, _, given = authorization.partition(" ")
        if not scheme:
            return await self._without()
        found = _WRITTEN.fullmatch(given.strip()) if scheme.lower() == "bearer" else None
        if found is not None:
            token = await self._tokens.state(found[1])
            if token.opens(found[2], self._now()):
                return token.access(found[1])
        await self._guesses.slow(address)
        return None

    async def _without(self) -> Access | None:
        if self._open_without:
            async for _ in self._store.read(category=TOKENS, limit=1):
                self._open_without = False
        return Access("anyone", EVERYTHING) if self._open_without else None
