"""From the setting `keys` of a store's URL to who seals its personal data."""

# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode

from refold.errors import MissingExtra, UsageError
from refold.personal import Box, Sealing
from refold.secrecy import shown

SETTING = "keys"


def apart(url: str) -> tuple[str, str | None]:
    """The URL without the setting, and what that says: another URL, which is percent-encoded if it has settings itself."""
    base, _, query = url.partition("?")
    settings = parse_qsl(query, keep_blank_values=True)
    keys = dict(settings).get(SETTING)
    if keys is None:
        return url, None
    rest = urlencode([(name, value) for name, value in settings if name != SETTING], safe="/:")
    return (f"{base}?{rest}" if rest else base), keys


def sealing_at(url: str | None) -> Sealing:
    """Who seals by the keys at a URL; who refuses to, without one.

    Raises:
        UsageError: it is no place for keys.
        MissingExtra: the cipher or the driver is not installed.
        StoreError: it cannot be reached, or is something else.
    """
    if url is None:
        return NoKeys()
    try:
        from refold.keys.sealing import Sealed
    except ImportError as error:
        raise MissingExtra("cryptography", "forget") from error
    match url.partition("://")[0]:
        case "sqlite":
            from refold.keys.sqlite import KeyFile

            return Sealed(KeyFile(url))
        case "postgresql" | "postgres":
            try:
                from refold.keys.postgres import KeyTable
            except ImportError as error:
                raise MissingExtra("psycopg", "postgres") from error
            return Sealed(KeyTable(url))
        case _:
            raise UsageError(
                f"keys={shown(url)} is no place for keys: write sqlite:///FILE or postgresql://HOST/DATABASE."
            )


class NoKeys:
    """Sealing of a store that was opened without keys: it refuses."""

    has_keys = False

    def admit(self, type: str) -> None:
        raise UsageError(f"event {type!r} holds personal data, which are sealed by keys: {_WAY_OUT}.")

    def seal(self, subject: str, value: bytes) -> Box:
        raise UsageError(f"there are no keys to seal by: {_WAY_OUT}.")

    def open(self, box: Box) -> bytes | None:
        raise UsageError(f"it is sealed by a key of {box.subject!r}: {_WAY_OUT}.")

    def known(self, subject: str) -> Sequence[bytes]:
        raise UsageError(f"there are no keys, so {subject!r} has none that could be destroyed: {_WAY_OUT}.")

    def is_forgotten(self, subject: str) -> bool:
        return False

    def destroy(self, subject: str, now: int) -> None:
        self.known(subject)

    def since(self, position: int) -> None:
        """There is nothing to forget."""

    def of(self, tenant: str) -> NoKeys:
        return self

    def close(self) -> None:
        """There is nothing to let go of."""


_WAY_OUT = "say in the store's URL where they are, as in sqlite:///shop.db?keys=sqlite:///shop-keys.db"
