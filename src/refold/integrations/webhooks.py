"""Webhooks: CloudEvents sent by HTTP and signed, to nobody but whom they are meant for; and their signatures, checked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ssl import SSLContext
from typing import Final

from refold._version import __version__
from refold.cloudevents import STRUCTURED, CloudEvent, Headers
from refold.errors import MessageRefused, MissingExtra, ReceiverAway, ReceiverGone, UsageError
from refold.integrations.addresses import addresses_of
from refold.secrecy import shown
from refold.signatures import TOLERANCE, Secret, check_signature, keys_of, signed

try:
    import httpx
except ImportError as error:
    raise MissingExtra("httpx", "webhooks") from error

LIMIT: Final = 1_000_000
"""So many bytes a message may have at most."""
LONGEST: Final = 3_600.0
"""For so many seconds at most a receiver is believed that asks to wait."""
_SHOWN: Final = 200
_LAST_PORT: Final = 65_535
_GONE: Final = 410
_AWAY: Final = frozenset({429, 502, 503, 504})


class Webhook:
    """Whoever listens at a URL. A 2xx answer acknowledges a message, a 410 says that no more are wanted.

    Each message is signed by the Standard Webhooks specification, with `secret`: `whsec_` and base64, or several while one takes
    the place of another. `timeout` is in seconds, for connecting and for each further step. Redirects are not followed. All
    addresses of the host must be of the public internet, unless `allow_private`.
    """

    awaits = False

    def __init__(
        self,
        url: str,
        *,
        secret: Secret,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        limit: int = LIMIT,
        allow_private: bool = False,
        ssl: SSLContext | None = None,
    ) -> None:
        self._url, self._keys = _url(url), keys_of(secret)
        self._headers, self._timeout, self._limit = dict(headers or {}), timeout, limit
        self._allow_private, self._ssl = allow_private, ssl

    async def send(self, message: CloudEvent) -> None:
        """Post it, and judge the answer.

        Raises:
            ReceiverAway: no connection, or 429, 502, 503 or 504; a Retry-After is heeded.
            ReceiverGone: 410.
            AddressRefused: the address is not one of the public internet.
            MessageRefused: any other answer, or none in time, or it is too large.
        """
        body = message.structured()
        if len(body) > self._limit:
            raise MessageRefused(
                f"the message has {len(body):,} bytes, {self._limit:,} are sent at most: send less with data=..."
            )
        signature = signed(self._keys, message.id, int(time.time()), body)
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        tried: list[str] = []
        for address in addresses_of(self._url.host, port, allow_private=self._allow_private):
            try:
                return self._post(address, {**self._headers, **signature}, body)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                tried.append(f"{address} ({error})")
        raise ReceiverAway(f"{self!r} cannot be reached: {', '.join(tried)}")

    def _post(self, address: str, headers: Mapping[str, str], body: bytes) -> None:
        """To this very address; the certificate is still that of the host."""
        if self._ssl is None:
            self._ssl = httpx.create_ssl_context()
        sent = {
            **headers,
            "host": self._url.netloc.decode(),
            "content-type": f"{STRUCTURED}; charset=utf-8",
            "user-agent": f"refold/{__version__}",
        }
        steps = {"timeout": httpx.Timeout(self._timeout).as_dict(), "sni_hostname": self._url.host}
        url = self._url.copy_with(host=address)
        try:
            # By the transport alone: a client would log the whole URL, in whose query there may be a secret.
            with httpx.HTTPTransport(verify=self._ssl, trust_env=False) as transport:
                answer = transport.handle_request(
                    httpx.Request("POST", url, headers=sent, content=body, extensions=steps)
                )
                with closing(answer):
                    self._judge(answer)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise
        except httpx.HTTPError as error:
            raise MessageRefused(f"{self!r} did not answer: {type(error).__name__} {error}".rstrip()) from error

    def _judge(self, response: httpx.Response) -> None:
        status = response.status_code
        if response.is_success:
            return
        if status == _GONE:
            raise ReceiverGone(f"{self!r} answered 410: it takes no more messages")
        if status in _AWAY:
            raise ReceiverAway(f"{self!r} answered {status}", _seconds(response.headers.get("retry-after")))
        if response.is_redirect:
            raise MessageRefused(
                f"{self!r} answered {status}, and redirects are not followed: give the URL that it leads to"
            )
        raise MessageRefused(f"{self!r} answered {status}: {_beginning(response)}")

    def __repr__(self) -> str:
        return f"Webhook({str(self._url.copy_with(query=None))!r})"

    @staticmethod
    def verify(headers: Headers, body: bytes, secret: Secret, *, tolerance: timedelta = TOLERANCE) -> CloudEvent:
        """The message of a request whose body was signed with the secret, not longer ago than `tolerance`.

        `body`: as it came. The comparison takes the same time whatever is wrong.

        Raises:
            BadSignature: it was not.
            BadMessage: it was, and is no CloudEvent.
            UsageError: the secret is none.
        """
        named = {str(name).lower(): str(value) for name, value in headers.items()}
        check_signature(keys_of(secret), named, body, datetime.now(UTC), tolerance)
        return CloudEvent.parse(headers, body)


def _url(text: str) -> httpx.URL:
    url = _parsed(text)
    if url is None or url.scheme not in {"http", "https"} or not url.host or set(url.host) & set("% "):
        raise UsageError(f"{shown(text)!r} is no URL for a webhook: write https://host/path.")
    if (url.port or 0) > _LAST_PORT:
        raise UsageError(f"{shown(text)!r} is no URL for a webhook: its port is none.")
    if url.userinfo:
        raise UsageError("the URL of a webhook holds a password, which would be shown in errors: give it in headers=.")
    return url.copy_with(fragment=None)


def _parsed(text: str) -> httpx.URL | None:
    """What httpx says of a URL that it cannot read may quote a password."""
    with suppress(httpx.InvalidURL):
        return httpx.URL(text)
    return None


def _seconds(retry_after: str | None) -> float:
    """For how long to wait, at most an hour; 0 if it does not say."""
    if not retry_after:
        return 0.0
    if retry_after.strip().isdecimal():
        return min(float(retry_after), LONGEST)
    try:
        moment = parsedate_to_datetime(retry_after).timestamp()
    except (ValueError, OverflowError):  # or a zone that is a number of any length
        return 0.0
    return min(max(0.0, moment - time.time()), LONGEST)


def _beginning(response: httpx.Response) -> str:
    """What it says, as much of it as an operator may want to read."""
    found = b""
    for chunk in response.iter_raw(_SHOWN):
        found += chunk
        if len(found) >= _SHOWN:
            break
    return repr(found[:_SHOWN].decode("utf-8", "replace"))
