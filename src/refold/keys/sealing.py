"""Sealing values by keys: AES-SIV, so that a repeated append is the same bytes (RFC 5297)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from refold.errors import UsageError
from refold.personal import Box

SECRET_SIZE: Final = 64
"""Bytes of a secret: AES-256, once for the cipher and once for the tag."""


ROOM: Final = 10_000
"""Keys that are kept in memory, of those that were used lately."""
K = TypeVar("K")
V = TypeVar("V")


class Key(NamedTuple):
    """A key: its id, whose it is, and its secret, `None` once it was destroyed."""

    id: bytes
    subject: str
    secret: bytes | None


class Keys(Protocol):
    """Where keys are kept. Any number of threads and processes may use one place."""

    place: str

    def of(self, subject: str) -> Sequence[Key]:
        """All keys that a subject ever had, the newest last."""
        ...

    def find(self, id: bytes) -> Key | None:
        """One key."""
        ...

    def current(self, subject: str) -> Key:
        """The key of a subject that has a secret, made if there is none; the same for all who ask."""
        ...

    def is_left(self, subject: str) -> bool:
        """Whether a subject has a key that is known here, without looking for it."""
        ...

    def destroy(self, subject: str, now: int) -> None:
        """Put nothing in the place of the subject's secret, and see that the old bytes are overwritten where that can be done."""
        ...

    def look_again(self) -> None:
        """Take no key to be there because it was a moment ago."""
        ...

    def close(self) -> None: ...


class Recent(dict[K, V]):
    """What was used lately: as much as there is room for, so that reading millions of events takes no more."""

    def keep(self, by: K, value: V) -> V:
        """Keep it, in place of all else if there is no room."""
        if len(self) >= ROOM:
            self.clear()
        self[by] = value
        return value


class Sealed:
    """Sealing by the keys of one place. `tenant` stands before its subjects, as `acme/`; it does not let go of the place.

    A name may hold a slash itself, so that of names is escaped: else two tenants could share a key, and be forgotten by it.
    """

    has_keys = True

    def __init__(self, keys: Keys, tenant: str = "", ciphers: Recent[bytes, AESSIV] | None = None) -> None:
        self.keys, self.tenant = keys, tenant
        self._ciphers = Recent[bytes, AESSIV]() if ciphers is None else ciphers  # making one takes longer than using it
        self._since = 0

    def admit(self, type: str) -> None:
        """Whatever it is: there are keys."""

    def seal(self, subject: str, value: bytes) -> Box:
        key = self.keys.current(self._own(subject))
        assert key.secret is not None  # noqa: S101 - it is one that has
        text = self._cipher(key.id, key.secret).encrypt(value, [subject.encode()])
        return Box(subject, key.id.hex(), b64encode(text).decode())

    def open(self, box: Box) -> bytes | None:
        key = self.keys.find(bytes.fromhex(box.key))
        if key is None:
            raise UsageError(
                f"key {box.key} of {box.subject!r} is not in {self.keys.place}, and was never destroyed there: these are other "
                "keys than those that it was sealed by. Open the store with keys= as it was written."
            )
        if key.secret is None:
            self._ciphers.pop(key.id, None)
            return None
        try:
            return self._cipher(key.id, key.secret).decrypt(b64decode(box.text), [box.subject.encode()])
        except (InvalidTag, ValueError) as error:
            raise UsageError(f"what is sealed by key {box.key} of {box.subject!r} was changed since.") from error

    def known(self, subject: str) -> Sequence[bytes]:
        return [key.id for key in self.keys.of(self._own(subject))]

    def is_forgotten(self, subject: str) -> bool:
        own = self._own(subject)
        if self.keys.is_left(own):
            return False
        keys = self.keys.of(own)
        return bool(keys) and not any(key.secret for key in keys)

    def destroy(self, subject: str, now: int) -> None:
        self._ciphers.clear()
        self.keys.destroy(self._own(subject), now)

    def since(self, position: int) -> None:
        if position != self._since:
            self.keys.look_again()
            self._since = position  # after it: whoever finds it so uses no key from before

    def of(self, tenant: str) -> Sealed:
        return Sealed(self.keys, f"{self.tenant}{_part(tenant)}/", self._ciphers)

    def close(self) -> None:
        if not self.tenant:
            self.keys.close()

    def _cipher(self, id: bytes, secret: bytes) -> AESSIV:
        return self._ciphers.get(id) or self._ciphers.keep(id, AESSIV(secret))

    def _own(self, subject: str) -> str:
        return f"{self.tenant}{_part(subject)}"


def _part(name: str) -> str:
    """A name as one part of a longer one."""
    return name.replace("%", "%25").replace("/", "%2F")
