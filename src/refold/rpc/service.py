"""The service: lets in, reads what came, has it done, and ends each call with an answer or a status."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final, TypeVar, cast

import grpc
from google.protobuf.message import Message

from refold.aio import AsyncStore
from refold.app import App
from refold.http.classes import Classes
from refold.http.living import Tenants
from refold.http.problems import Declined
from refold.http.quotas import Quotas, Rates, Slots
from refold.http.tokens import TokenBearers
from refold.http.visible import visible
from refold.rpc.appending import append
from refold.rpc.asking import Asked
from refold.rpc.following import subscribe
from refold.rpc.protocol import umadb_pb2 as pb
from refold.rpc.reading import read
from refold.rpc.statuses import Context, address_of, refuse
from refold.rpc.tracking import checked_source, mark_of
from refold.rpc.visible import head
from refold.subscription import AsyncSubscription

SERVICE: Final = "umadb.v1.DCB"
LOOK_AFTER: Final = 15.0
"""Seconds after which it is looked whether who follows may still read."""

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)


async def tell_head(asked: Asked, _: pb.HeadRequest) -> pb.HeadResponse:
    """The position of the last event that can be read."""
    asked.reads_everything()
    return pb.HeadResponse(position=await head(asked.store))


async def tell_tracking(asked: Asked, request: pb.TrackingRequest) -> pb.TrackingResponse:
    """How far a source was followed."""
    asked.reads_everything()
    mark = await mark_of(asked.store, checked_source(request.source))
    return pb.TrackingResponse(position=mark.position)


class Service:
    """The methods, over one store."""

    def __init__(
        self, store: AsyncStore, *, app: App | None = None, bearers: TokenBearers | None = None,
        quotas: Quotas | None = None, look_after: float = LOOK_AFTER,
    ) -> None:  # fmt: skip
        self.quotas = quotas or Quotas()
        self._classes, self._bearers = Classes(app), bearers or TokenBearers(store)
        self._rates, self._slots, self._look_after = Rates(self.quotas), Slots(self.quotas), look_after
        self._tenants = Tenants(store)
        self.following: set[AsyncSubscription] = set()

    def handlers(self) -> Sequence[grpc.GenericRpcHandler[Any, Any]]:
        """What a server is given."""
        methods: Mapping[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Append": self._one(pb.AppendRequest, append),
            "Head": self._one(pb.HeadRequest, tell_head),
            "GetTrackingInfo": self._one(pb.TrackingRequest, tell_tracking),
            "Read": self._many(pb.ReadRequest, read),
            "Subscribe": self._many(pb.SubscribeRequest, subscribe),
        }
        return [grpc.method_handlers_generic_handler(SERVICE, {**methods})]

    async def close(self) -> None:
        """End the subscriptions: who follows is told that nothing more comes, and connects again elsewhere."""
        for each in tuple(self.following):
            await each.close()

    def _one(
        self, kind: Callable[[], Q], method: Callable[[Asked, Q], Awaitable[A]]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        async def answer(raw: bytes, context: Context) -> bytes:
            try:
                asked = await self._asked(context)
                return (await method(asked, _read(kind, raw))).SerializeToString()
            except Exception as error:  # noqa: BLE001 - whatever it is, the client is told
                failed = error
            return await refuse(context, failed)

        return grpc.unary_unary_rpc_method_handler(cast("Any", answer))

    def _many(
        self, kind: Callable[[], Q], method: Callable[[Asked, Q], AsyncGenerator[Message]]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        async def answer(raw: bytes, context: Context) -> None:
            try:
                asked = await self._asked(context)
                request = _read(kind, raw)
                await context.send_initial_metadata(())  # some wait for that, and nothing may come for long
                async with aclosing(method(asked, request)) as answers:
                    async for each in answers:
                        await context.write(each.SerializeToString())
            except Exception as error:  # noqa: BLE001 - whatever it is, the client is told
                failed = error
            else:
                return
            await refuse(context, failed)

        return grpc.unary_stream_rpc_method_handler(cast("Any", answer))

    async def _asked(self, context: Context) -> Asked:
        given, address = _authorization(context), address_of(context)
        access = await self._bearers.admit(given, address)
        self._rates.take(access.key if access else address)
        if access is None:
            raise Declined(
                401, "unauthorized", "this takes a token, as metadata `authorization: Bearer refold_...`. "
                "`refold token create` makes one.",
            )  # fmt: skip
        store = visible(await self._tenants.of(access), access)

        async def lets_in() -> bool:
            return await self._bearers.admit(given, address) is not None

        return Asked(
            access, store.context(actor=access.name), self._classes, lets_in, lambda: self._slots.take(access.key),
            self.following, self._look_after,
        )  # fmt: skip


def _read(kind: Callable[[], Q], raw: bytes) -> Q:
    message = kind()
    message.ParseFromString(raw)
    return message


def _authorization(context: Context) -> str:
    """What was given in the metadata; what stands there twice lets nobody in."""
    found = [str(value) for key, value in _pairs(context) if key == "authorization"]
    return found[0] if len(found) == 1 else ", ".join(found)


def _pairs(context: Context) -> Iterable[tuple[str, str | bytes]]:
    return cast("Iterable[tuple[str, str | bytes]]", context.invocation_metadata() or ())
