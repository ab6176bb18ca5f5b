"""Errors as the protocol tells them: a status, and in its details an `ErrorResponse`, which says what kind of error it is."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

import grpc.aio
from google.protobuf.message import DecodeError
from grpc import StatusCode

from refold.errors import NotAStore, StoreCorrupt, StoreReadOnly
from refold.http.problems import problem_of
from refold.problems import FAULTS
from refold.rpc.protocol import umadb_pb2 as pb
from refold.rpc.tracking import Behind

DETAILS: Final = "grpc-status-details-bin"
_LONGEST: Final = 1_000
"""Characters of what is told: it travels in headers, twice, and clients take 8 KiB of them."""
_log = logging.getLogger("refold.grpc")

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
Kind: TypeAlias = "pb.ErrorResponse.ErrorType"
_KINDS: Final = pb.ErrorResponse
_BY_STATUS: Final[Mapping[int, tuple[StatusCode, Kind]]] = {
    400: (StatusCode.INVALID_ARGUMENT, _KINDS.INVALID_ARGUMENT),
    401: (StatusCode.UNAUTHENTICATED, _KINDS.AUTHENTICATION),
    403: (StatusCode.PERMISSION_DENIED, _KINDS.AUTHENTICATION),
    404: (StatusCode.NOT_FOUND, _KINDS.INVALID_ARGUMENT),
    409: (StatusCode.FAILED_PRECONDITION, _KINDS.INTEGRITY),
    410: (StatusCode.NOT_FOUND, _KINDS.IO),
    413: (StatusCode.INVALID_ARGUMENT, _KINDS.INVALID_ARGUMENT),
    422: (StatusCode.INVALID_ARGUMENT, _KINDS.INVALID_ARGUMENT),
    429: (StatusCode.RESOURCE_EXHAUSTED, _KINDS.IO),
    500: (StatusCode.INTERNAL, _KINDS.INTERNAL),
    501: (StatusCode.UNIMPLEMENTED, _KINDS.INTERNAL),
    503: (StatusCode.UNAVAILABLE, _KINDS.IO),
    507: (StatusCode.RESOURCE_EXHAUSTED, _KINDS.IO),
}
"""By the status that HTTP has for it."""
_CORRUPT: Final = StatusCode.DATA_LOSS, _KINDS.CORRUPTION
_INTEGRITY: Final = _BY_STATUS[409]
_UNREADABLE: Final = StatusCode.INVALID_ARGUMENT, _KINDS.SERIALIZATION


class Status(NamedTuple):
    """What a call ends with that failed."""

    code: StatusCode
    message: str
    kind: Kind

    @property
    def details(self) -> tuple[tuple[str, bytes], ...]:
        """The trailer that says what kind of error it is."""
        told = pb.ErrorResponse(message=self.message, error_type=self.kind)
        return ((DETAILS, told.SerializeToString()),)


def status_of(error: Exception) -> Status:
    """What a call is ended with; what is the server's fault is also logged."""
    if isinstance(error, DecodeError):
        return Status(_UNREADABLE[0], "this is no message of umadb.v1.", _UNREADABLE[1])
    problem = problem_of(error)
    if problem.status in FAULTS:
        _log.error("%s", problem.title, exc_info=error)
    code, kind = _kind_of(error, problem.status)
    return Status(code, _shortened(problem.detail), kind)


def _kind_of(error: Exception, status: int) -> tuple[StatusCode, Kind]:
    match error:
        case Behind():
            return _INTEGRITY
        case StoreCorrupt() | NotAStore():
            return _CORRUPT
        case StoreReadOnly():  # nobody's right is missing
            return StatusCode.FAILED_PRECONDITION, _KINDS.IO
        case _:
            return _BY_STATUS.get(status, _BY_STATUS[500])


def _shortened(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


async def refuse(context: Context, error: Exception) -> bytes:
    """End a call with the status of an error; nothing comes back."""
    status = status_of(error)
    return await context.abort(status.code, status.message, status.details)


def address_of(context: Context) -> str:
    """Where a call comes from, without the port."""
    return context.peer().rpartition(":")[0]
