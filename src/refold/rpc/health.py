"""Health, as gRPC has it (`grpc.health.v1.Health`): whether the store is served. It takes no token, as over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import grpc

from refold.aio import AsyncStore
from refold.errors import StoreError
from refold.http.problems import Declined
from refold.http.quotas import Quotas, Rates, Slots
from refold.rpc.protocol import umadb_pb2 as pb
from refold.rpc.statuses import Context, address_of, refuse

_NAMES: Final = ("", "umadb.v1.DCB")
_SERVING, _NOT_SERVING, _UNKNOWN = b"\x08\x01", b"\x08\x02", b"\x08\x03"
"""The answers on the wire: one field, `status`."""


class Health:
    """The two methods: what is so now, and that and what becomes of it."""

    def __init__(self, store: AsyncStore, quotas: Quotas) -> None:
        self._store, self._rates, self._slots = store, Rates(quotas), Slots(quotas)
        self._over = asyncio.Event()

    def handlers(self) -> Sequence[grpc.GenericRpcHandler[Any, Any]]:
        """What a server is given."""
        methods: Mapping[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Check": grpc.unary_unary_rpc_method_handler(cast("Any", self._check)),
            "Watch": grpc.unary_stream_rpc_method_handler(cast("Any", self._watch)),
        }
        return [grpc.method_handlers_generic_handler("grpc.health.v1.Health", {**methods})]

    def close(self) -> None:
        """Tell those who watch that it is over."""
        self._over.set()

    async def _check(self, raw: bytes, context: Context) -> bytes:
        try:
            self._rates.take(address_of(context))
            if _name(raw) in _NAMES:
                return await self._state()
            failed: Exception = Declined(404, "no-such-service", "there is no such service here.")
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told
            failed = error
        return await refuse(context, failed)

    async def _watch(self, raw: bytes, context: Context) -> None:
        try:
            self._rates.take(address_of(context))
            slot = self._slots.take(address_of(context))
            try:
                await context.write(await self._state() if _name(raw) in _NAMES else _UNKNOWN)
                await self._over.wait()
                await context.write(_NOT_SERVING)
            finally:
                slot()
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told
            failed = error
        else:
            return
        await refuse(context, failed)

    async def _state(self) -> bytes:
        try:
            await self._store.head()
        except StoreError:
            return _NOT_SERVING
        return _NOT_SERVING if self._over.is_set() else _SERVING


def _name(raw: bytes) -> str:
    """The name of the service that is asked about: the first field, as it is of this message, too."""
    return pb.TrackingRequest.FromString(raw).source
