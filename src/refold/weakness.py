"""Weakness: what is good enough on one machine, and is refused as soon as others can reach it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote

from refold.errors import UsageError

_GUESSED: Final = frozenset({
    "admin", "changeit", "changeme", "default", "example", "guest", "letmein", "nats", "pass", "passw0rd", "password",
    "postgres", "postgresql", "qwerty", "refold", "root", "s3cr3t", "secret", "test", "1234", "12345", "123456", "12345678",
})  # fmt: skip
"""What images, examples and tutorials come with, and what is tried first."""


def is_local(host: str) -> bool:
    """Whether a host is this machine: by a name of it, an address of the loopback, or the folder of a socket."""
    name = host.strip("[]").rstrip(".").lower()
    if name in {"", "localhost"} or name.startswith(("/", "@")):
        return True
    try:
        return ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def hosts_of(netloc: str) -> tuple[str, ...]:
    """The hosts of the part of a URL that names them, without user and ports."""
    places = netloc.rpartition("@")[2].split(",")
    return tuple(place[: place.rfind("]") + 1] if "]" in place else place.partition(":")[0] for place in places)


def check_password(user: str | None, password: str | None, hosts: Iterable[str]) -> None:
    """See that a password in a URL, as it stands there, is not one that everybody tries first.

    Raises:
        UsageError: it is, and a host is not this machine. It is not shown.
    """
    if not password or all(map(is_local, hosts)):
        return
    plain = unquote(password).casefold()
    if plain in _GUESSED or plain == unquote(user or "").casefold():
        raise UsageError(
            "the password in the store's URL is a default one, which is tried first by whoever reaches the server: set another, "
            "such as `openssl rand -hex 24` makes, and write that. A server on this machine may have any."
        )
