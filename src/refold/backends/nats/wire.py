"""Requests and their answers, and batches, over one connection."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from refold.backends.nats.answering import Ack, Answer, Json, Rejected, Silent, said
from refold.backends.nats.connecting import LEAD, READ, WRITE, Connection
from refold.backends.nats.location import NatsLocation
from refold.backends.nats.stored import BATCH, COMMIT, PLACE, Message
from refold.errors import StoreClosed, StoreError, StoreReadOnly, StoreUnreachable

ATTEMPT: Final = 2.0
"""Seconds after which an answer is no longer waited for."""
_READS: Final = ("STREAM.INFO.", "STREAM.MSG.GET.", "DIRECT.GET.")


class Wire:
    """What is asked of whichever server answers."""

    def __init__(self, location: NatsLocation) -> None:
        self.prefix = location.api
        self._shown = location.shown
        self._connection = Connection(location, self._heard, self._forbidden)
        self._waiting: dict[str, Answer] = {}
        self._numbers = 0
        self._sending = asyncio.Lock()

    async def open(self) -> None:
        """Connect. Raises `StoreUnreachable`."""
        await self._connection.open()

    async def close(self) -> None:
        """Hang up."""
        await self._connection.close()

    async def api(self, subject: str, body: Mapping[str, object]) -> Json:
        """Ask JetStream.

        Raises:
            Rejected, Silent.
        """
        (message,) = await self.ask(f"{self.prefix}.{subject}", json.dumps(body).encode(), kind=LEAD)
        return await self._said(message, LEAD)

    async def ask(self, subject: str, body: bytes, *, many: bool = False, kind: str = READ) -> list[Msg]:
        """Ask, and wait for the answer: one message, or `many` up to the one that says that it was the last.

        Raises:
            Silent.
        """
        number, answer = self._expecting([subject], many=many)
        try:
            await self._publish(subject, body, number)
            return await self._answered(answer, kind)
        finally:
            self._waiting.pop(number, None)

    async def write(self, messages: Sequence[Message]) -> Ack:
        """Publish one message, or several as one atomic batch, and wait until it is stored.

        Raises:
            Rejected, Silent.
        """
        return await (await self.send(messages))

    async def send(self, messages: Sequence[Message]) -> Coroutine[Any, Any, Ack]:
        """The same, but what waits for the answer is given back: what is sent after this stands after it."""
        number, answer = self._expecting({message.subject for message in messages}, many=False)
        try:
            async with self._sending:  # so that the server has few batches open at once
                if len(messages) == 1:
                    await self._publish(messages[0].subject, messages[0].body, number, messages[0].headers)
                else:
                    await self._publish_batch(messages, number)
        except BaseException:
            self._waiting.pop(number, None)
            raise
        return self._acknowledged(number, answer)

    async def _acknowledged(self, number: str, answer: Answer) -> Ack:
        try:
            (message,) = await self._answered(answer, WRITE)
        finally:
            self._waiting.pop(number, None)
        found = await self._said(message, WRITE)
        return Ack(found["seq"], bool(found.get("duplicate")))

    async def tell(self, subject: str, body: bytes) -> None:
        """Publish to whoever listens; nobody answers."""
        await self._publish(subject, body, None)

    async def listen(self, subject: str, heard: asyncio.Event) -> Subscription:
        """Set the event whenever something is told there; gives the subscription."""

        async def hear(_: Msg) -> None:
            heard.set()

        try:
            async with asyncio.timeout(ATTEMPT):
                return await self._connection.listen(self._connection.client, subject, hear)
        except (NatsError, OSError) as error:
            raise self._lost(error) from error

    async def deaf(self, listening: Subscription) -> None:
        """Listen there no more."""
        with suppress(NatsError, OSError):
            async with asyncio.timeout(ATTEMPT):
                await listening.unsubscribe()

    async def _publish_batch(self, messages: Sequence[Message], number: str) -> None:
        batch = secrets.token_hex(12)
        for place, message in enumerate(messages, 1):
            headers = message.headers | {BATCH: batch, PLACE: str(place)}
            last = place == len(messages)
            if last:
                headers[COMMIT] = "1"
            await self._publish(message.subject, message.body, number if last else None, headers)

    async def _publish(
        self, subject: str, body: bytes, number: str | None, headers: dict[str, str] | None = None
    ) -> None:
        reply = "" if number is None else f"{self._connection.inbox}.{number}"
        try:
            async with asyncio.timeout(ATTEMPT):  # a server that takes nothing more must hold up nobody
                await self._connection.client.publish(subject, body, reply, headers or None)
        except (NatsError, OSError) as error:
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> Exception:
        closed = self._connection.client.is_closed
        return StoreClosed() if closed else Silent(f"{type(error).__name__} {error}".strip())

    def _expecting(self, subjects: Collection[str], *, many: bool) -> tuple[str, Answer]:
        self._numbers += 1
        number, answer = str(self._numbers), Answer(subjects, many=many)
        self._waiting[number] = answer
        return number, answer

    async def _answered(self, answer: Answer, kind: str) -> list[Msg]:
        try:
            async with asyncio.timeout(ATTEMPT):
                parts = await answer.whole
        except TimeoutError as error:
            await self._connection.judge(kind, answered=False)
            raise Silent(f"no answer within {ATTEMPT:g} s") from error
        if (parts[-1].headers or {}).get("Status") == "503":
            await self._connection.judge(kind, answered=False)
            raise Silent("no server answers for the store now", certain=True)
        if kind == READ:
            await self._connection.judge(kind, answered=True)
        return parts

    async def _said(self, message: Msg, kind: str) -> Json:
        try:
            found = said(message)
        except Silent:  # it says that nobody leads, as one that is cut off does
            await self._connection.judge(kind, answered=False)
            raise
        except Rejected:
            if kind != WRITE:  # a leader that is cut off can refuse, but not accept
                await self._connection.judge(kind, answered=True)
            raise
        await self._connection.judge(kind, answered=True)
        return found

    async def _heard(self, message: Msg) -> None:
        number = message.subject.rpartition(".")[2]
        if (answer := self._waiting.get(number)) and answer.hear(message):
            del self._waiting[number]

    def _forbidden(self, lowered: str) -> None:
        """Whoever asked there need not wait: no answer will come."""
        for number, answer in [*self._waiting.items()]:
            if subject := next((one for one in answer.subjects if one.lower() == lowered), None):
                del self._waiting[number]
                answer.fail(self._no_right(subject))

    def _no_right(self, subject: str) -> StoreError:
        asked = subject.removeprefix(f"{self.prefix}.")
        if asked.startswith(_READS):
            return StoreUnreachable(
                f"{self._shown} does not let this user ask at {subject!r}: give it the right to publish there, or say with "
                "?api_prefix= where it may ask."
            )
        return StoreReadOnly(
            f"{self._shown} does not let this user publish to {subject!r}. Nothing was written: give it that right, or open "
            "the store with mode=ro."
        )
