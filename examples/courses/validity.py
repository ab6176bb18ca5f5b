"""What is valid for a while: the price that a customer was shown, and a token sent by mail. Time comes in as a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never

from refold import DecisionModel, Fold, compose, event

GRACE = timedelta(minutes=10)
TOKEN_LIVES = timedelta(hours=1)


class NotValid(Exception):
    """Not any more, or never."""


# A price that was shown holds for ten more minutes after it changed ----------------------------------------------------


@event("product.priced", tags=("product",))
class Priced:
    product: str
    cents: int
    at: datetime


@event("product.ordered", tags=("product",))
class Ordered:
    product: str
    cents: int


@dataclass(frozen=True)
class Prices:
    """Every price, with the time from which it held, newest last."""

    known: tuple[tuple[int, datetime], ...] = ()

    def evolve(self, event: Priced) -> Prices:
        return Prices((*self.known, (event.cents, event.at)))

    def allow(self, cents: int, now: datetime) -> bool:
        """Whether the price is the newest, or was until less than the grace ago."""
        ends = [at for _, at in self.known[1:]]
        return any(
            price == cents and (end is None or now - end <= GRACE)
            for (price, _), end in zip(self.known, [*ends, None], strict=True)
        )


prices = Fold("product", initial=Prices, evolve=Prices.evolve)


def price_of(product: str) -> DecisionModel[Prices]:
    """The boundary is the product's prices."""
    return compose(prices.tagged(f"product:{product}"))


def order(product: str, cents: int, now: datetime, known: Prices) -> Iterator[Ordered]:
    """Order at the price that was shown."""
    if not known.allow(cents, now):
        raise NotValid(f"{product} does not cost {cents} any more")
    yield Ordered(product, cents)


# Sign up by mail: a token confirms one address, once, within an hour ---------------------------------------------------


@event("sign-up.initiated", tags=("mail", "token"))
class Initiated:  # refold: ignore[ES121] reason=a confirmation is found by its address
    mail: str
    token: str
    at: datetime


@event("sign-up.confirmed", tags=("mail", "token"))
class Confirmed:  # refold: ignore[ES121] reason=a confirmation is found by its address
    mail: str
    token: str


SignUpEvent: TypeAlias = Initiated | Confirmed


@dataclass(frozen=True)
class SignUp:
    """One attempt to sign up."""

    mail: str | None = None
    at: datetime | None = None
    confirmed: bool = False

    def evolve(self, event: SignUpEvent) -> SignUp:
        match event:
            case Initiated():
                return SignUp(event.mail, event.at)
            case Confirmed():
                return replace(self, confirmed=True)
            case _:
                assert_never(event)


sign_ups = Fold("signup", initial=SignUp, evolve=SignUp.evolve)


def attempt(token: str) -> DecisionModel[SignUp]:
    """The boundary is the token."""
    return compose(sign_ups.tagged(f"token:{token}"))


def confirm(token: str, now: datetime, sign_up: SignUp) -> Iterator[Confirmed]:
    """Confirm the address that the token was sent to."""
    if sign_up.mail is None or sign_up.at is None:
        raise NotValid("this token was never sent")
    if sign_up.confirmed:
        raise NotValid("this token was used already")
    if now - sign_up.at > TOKEN_LIVES:
        raise NotValid("this token is too old: sign up again")
    yield Confirmed(sign_up.mail, token)
