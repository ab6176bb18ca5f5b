"""What the server answers: one message or many, an acknowledgement, a refusal. Or nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct
from nats.aio.msg import Msg

Json: TypeAlias = Mapping[str, Any]
"""What the server says."""

MOVED: Final = frozenset({10070, 10071, 10164})
"""What was expected is not so, or is just being changed."""
KNOWN_ID: Final = frozenset({10201})
_NOT_NOW: Final = frozenset({10008, 10009, 10118})  # no leader, or one that is just beginning


class Rejected(Exception):
    """The server says no: certainly nothing was written by this message or batch."""

    def __init__(self, code: int, text: str) -> None:
        self.code, self.text = code, text
        super().__init__(f"{text} ({code})")


class Silent(Exception):
    """No answer, or nobody there to give one: a write may have happened, unless it is `certain` that it did not."""

    def __init__(self, text: str, *, certain: bool = False) -> None:
        self.certain = certain
        super().__init__(text)


class Ack(Struct, frozen=True):
    """What the server says of what it wrote: the sequence of the last message, or of the first one with a known id."""

    sequence: int
    duplicate: bool = False


class Answer:
    """The messages that come in for one request, until it is whole. `subjects`: where it was asked."""

    def __init__(self, subjects: Collection[str], *, many: bool) -> None:
        self.subjects, self.many = subjects, many
        self.parts: list[Msg] = []
        self.whole: asyncio.Future[list[Msg]] = asyncio.get_running_loop().create_future()

    def hear(self, message: Msg) -> bool:
        """Take in one; whether it was the last."""
        self.parts.append(message)
        over = not self.many or "Status" in (message.headers or {})
        if over and not self.whole.done():
            self.whole.set_result(self.parts)
        return over

    def fail(self, error: Exception) -> None:
        """No message comes."""
        if not self.whole.done():
            self.whole.set_exception(error)
            self.whole.exception()  # perhaps nobody waits for it


def said(message: Msg) -> Json:
    """What JetStream says.

    Raises:
        Rejected, Silent.
    """
    found: Json = json.loads(message.data)
    if error := found.get("error"):
        code, text = int(error.get("err_code", error.get("code", 0))), str(error.get("description", ""))
        raise Silent(text) if code in _NOT_NOW else Rejected(code, text)
    return found
