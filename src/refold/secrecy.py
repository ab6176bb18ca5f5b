"""Secrecy: what of a URL, or of a text that may quote one, is shown; and URLs of which that cannot be known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from refold.errors import UsageError

_TOLD: Final = frozenset({
    "api_prefix", "busy_timeout", "dbname", "durability", "host", "hostaddr", "mode", "pool_size", "pooler", "port", "replicas",
    "schema", "sslmode", "sync", "target_session_attrs", "tls",
})  # fmt: skip
"""Settings whose values are no secrets; those of all others are not shown."""
_OTHERS: Final = re.compile(r"(?:^|&)(?:models|keys)=[^&]*")
"""URLs of other databases."""
_MISTYPED: Final = re.compile(r"(postgres|nats|tls)\w*:|\S+:\S*@|.*\bpassword=", re.IGNORECASE)
_LOGIN: Final = re.compile(r"\b([a-z][a-z0-9+.-]*://)\S*@", re.IGNORECASE)
_NAMED: Final = re.compile(r"\b(\w*(?:passw|secret|token|sslkey|client_key)\w*=)[^\s&'\"]+", re.IGNORECASE)
_MADE: Final = re.compile(r"\b(refold_[0-9a-f]{16}_|whsec_)[A-Za-z0-9_+/=-]+")
_HOST: Final = re.compile(r"(?:[^:\[\]@]*|\[[^\[\]@]*\])(?::([0-9]{0,5}))?")
_LAST_PORT: Final = 65_535


def shown(url: str) -> str:
    """A URL as a message may show it: without user, password and token, and with those settings alone that hold no secret."""
    scheme, colon, rest = url.partition("://")
    if not colon:
        return scrubbed(f"...{url[url.rfind('@') :]}" if "@" in url else url)
    place, _, query = rest.partition("?")
    settings = _OTHERS.sub("", query)
    if "@" in f"{place}{settings}" and not (scheme == "sqlite" and rest.startswith("/")):
        if "@" in settings:  # nobody can tell where the password ends
            return f"{scheme}://..."
        place = place.rpartition("@")[2]
    told = [f"{name}={value}" for name, value in parse_qsl(settings) if name in _TOLD]
    return f"{scheme}://{place.partition('#')[0]}{'?' if told else ''}{'&'.join(told)}"


def is_mistyped(text: str) -> bool:
    """Whether it is neither the path of a file nor a URL, but was meant to be one, with a password in it perhaps."""
    return "://" not in text.partition("?")[0] and bool(_MISTYPED.match(text))


def scrubbed(text: str, given: Iterable[str] = ()) -> str:
    """A text that may quote what somebody has typed, without the secrets that can be known by their shape.

    It is the last net, for texts of others: who knows that something is a URL says `shown`. `given`: what was typed.
    """
    for each in (part for one in given for part in (one, one.partition("=")[2])):
        if "://" in each or is_mistyped(each):
            for quoted in (each, re.sub("//+", "/", each)):  # as it was typed, or taken for a path
                text = text.replace(quoted, shown(each)).replace(repr(quoted)[1:-1], shown(each))
    for pattern, told in ((_LOGIN, r"\1***@"), (_NAMED, r"\1***"), (_MADE, r"\1***")):
        text = pattern.sub(told, text)
    return text


def parts_of(url: str) -> SplitResult:
    """The parts of the URL of a server's store.

    Raises:
        UsageError: as `check_written`; or it is no text, or its host none. Nothing of it is shown.
    """
    check_written(url)
    try:
        url.encode()
        return urlsplit(url)
    except ValueError:  # whose text would quote the URL
        raise UsageError(
            "the store's URL is no text, or its host neither a name nor an address such as [::1]."
        ) from None


def check_written(url: str) -> None:
    """See that it is certain where in the URL of a server user and password end. Else an error of its driver quotes part of them.

    Raises:
        UsageError: it is not, and nothing of it is shown.
    """
    rest = url.partition("://")[2]
    netloc = re.split(r"[/?#]", rest, maxsplit=1)[0]
    behind = rest[len(netloc) :]
    login, _, hosts = netloc.rpartition("@")
    places = [_HOST.fullmatch(each) for each in hosts.split(",")]
    is_sure = (
        not set(login) & set("@[] ") and "@" not in _OTHERS.sub("", behind.replace("?", "&")) and "#" not in behind
    )
    if not is_sure or not all(each and int(each[1] or 0) <= _LAST_PORT for each in places):
        raise UsageError(
            "the store's URL has an @ or a # behind its host, a sign before it that must not be there, or a port that is none. "
            "In a user, a password or a token, signs such as @ : / ? # [ % are percent-encoded, %40 for an @. The URL is not "
            "shown, since it may hold one."
        )
