"""Signatures of webhooks, by the Standard Webhooks specification: what is signed, and whether that is what came."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from refold.errors import BadSignature, UsageError

Secret: TypeAlias = str | Sequence[str]
"""`whsec_` and 24 to 64 bytes as base64; or several while one takes the place of another."""

TOLERANCE: Final = timedelta(minutes=5)
"""How far the clocks of both sides, and the way between them, may be apart."""
_PREFIX: Final = "whsec_"
_SHORTEST, _LONGEST = 24, 64


def keys_of(secret: Secret) -> tuple[bytes, ...]:
    """The keys that secrets stand for.

    Raises:
        UsageError: one is none. It is not shown.
    """
    keys = tuple(map(_key, (secret,) if isinstance(secret, str) else secret))
    if not keys:
        raise _no_key("there is none")
    return keys


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        raise _no_key(f"it does not begin with {_PREFIX!r}")
    try:
        key = b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:  # its text is not told
        raise _no_key(f"what follows {_PREFIX!r} is not base64") from None
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise _no_key(f"it has {len(key)} bytes, and {_SHORTEST} to {_LONGEST} are allowed")
    return key


def _no_key(why: str) -> UsageError:
    return UsageError(
        f"the secret of a webhook cannot be used: {why}. Make one: "
        "'whsec_' + base64.b64encode(secrets.token_bytes(32)).decode()."
    )


def signed(keys: Sequence[bytes], id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """The headers that tell a message, its time (seconds since 1970) and its signatures, one a key."""
    signatures = " ".join("v1," + b64encode(_digest(key, id, str(timestamp), body)).decode() for key in keys)
    return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": signatures}


def _digest(key: bytes, id: str, timestamp: str, body: bytes) -> bytes:
    return hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()


def check_signature(
    keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: datetime, tolerance: timedelta = TOLERANCE
) -> str:
    """The id of a message that was signed with one of the keys, not longer ago than is allowed; names of headers in lower case.

    Raises:
        BadSignature: it was not.
    """
    id, timestamp = _header(headers, "webhook-id"), _header(headers, "webhook-timestamp")
    given = _header(headers, "webhook-signature").split()
    if "." in id or not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):  # noqa: PLR2004 - the year 33,658
        raise BadSignature("its webhook-id has a '.', or its webhook-timestamp is no number")
    if abs(int(timestamp) - now.timestamp()) > tolerance.total_seconds():
        raise BadSignature(
            f"it was signed at {timestamp}, over {tolerance} from now: it may be sent again by somebody else"
        )
    wanted = [_digest(key, id, timestamp, body) for key in keys]
    found = [
        hmac.compare_digest(_value(each), digest) for each in given for digest in wanted
    ]  # all of them, in any case
    if not any(found):
        raise BadSignature("none of its signatures was made with the secret")
    return id


def _header(headers: Mapping[str, str], name: str) -> str:
    found = headers.get(name)
    if not found:
        raise BadSignature(f"it has no header {name}")
    return found


def _value(signature: str) -> bytes:
    version, _, value = signature.partition(",")
    try:
        return b64decode(value, validate=True) if version == "v1" else b""
    except ValueError:
        return b""
