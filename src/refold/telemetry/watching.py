"""A backend that is watched while a flow works on it: appends go into the call's span, each read is a span of its own."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self, TypeVar

from opentelemetry.context import attach, detach, get_current
from opentelemetry.trace import SpanKind, use_span

from refold._bridge.outside import Outside
from refold._bridge.stepping import Flow
from refold.ports import Append, AppendResult, Backend, InCategory, InStream, Own, Rows, Selection
from refold.projection import Statement
from refold.rows import Payload, Row
from refold.telemetry.producing import Producing
from refold.telemetry.signals import Attributes, Signals, category_of, error_type, fail

T = TypeVar("T")

_ROWS: Final = "db.response.returned_rows"


class Call:
    """One call on a store. Its span begins when it appends."""

    reads = True
    """Whether its reads have spans."""

    def __init__(self, signals: Signals) -> None:
        self.signals = signals
        self.parent = get_current()  # here: the flow may be run by another thread
        self.producing: Producing | None = None

    def over(self, flow: Flow[T]) -> Flow[T]:
        """The flow, on a backend that is watched."""
        return lambda backend: flow(Watched(backend, self))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.producing is not None:
            self.producing.end(error)


class Deciding(Call):
    """A decision on a store, which has its span from the beginning on, and no others in it."""

    reads = False

    def __init__(self, signals: Signals, decision: str, stream: str) -> None:
        super().__init__(signals)
        streams = [stream] if stream else []
        self._whole = Producing(signals, "decide", streams, self.parent, {"code.function.name": decision})
        self.producing = self._whole

    def __enter__(self) -> Self:
        self._token = attach(self._whole.context)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        detach(self._token)
        super().__exit__(kind, error, trace)


class Watched(Outside):
    """A `Backend` under a call; equal to the one that it watches, since it is the same place."""

    def __init__(self, backend: Backend, call: Call) -> None:
        async def direct(flow: Flow[T], /) -> T:
            return await flow(backend)

        super().__init__(backend.capabilities, direct, direct)
        self._backend, self._call = backend, call

    def __eq__(self, other: object) -> bool:
        return bool(self._backend == (other._backend if isinstance(other, Watched) else other))

    def __hash__(self) -> int:
        return hash(self._backend)

    async def append(self, append: Append) -> AppendResult:
        call = self._call
        if call.producing is None:
            streams = list(dict.fromkeys(write.stream for write in append.writes))
            call.producing = Producing(call.signals, "append", streams, call.parent)
        append = call.producing.marked(append)
        with use_span(call.producing.span, record_exception=False, set_status_on_exception=False):
            result = await super().append(append)
        call.producing.came(result)
        return result

    async def within(self, flow: Flow[T]) -> T:
        return await self._backend.within(self._call.over(flow))

    async def read(self, selection: Selection) -> Sequence[Row]:
        with self._told("read", _collection(selection)) as counted:
            rows = await super().read(selection)
            counted[_ROWS] = len(rows)
        return rows

    async def payloads(self, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        with self._told("load", category_of([stream])) as counted:
            rows = await super().payloads(stream, after, until)
            counted[_ROWS] = len(rows)
        return rows

    async def query(self, statement: Own | Statement) -> Rows:
        if isinstance(statement, Own):
            return await super().query(statement)
        with self._told("query", "") as counted:
            rows = await super().query(statement)
            counted[_ROWS] = len(rows)
        return rows

    @contextmanager
    def _told(self, operation: str, collection: str) -> Generator[dict[str, int]]:
        counted: dict[str, int] = {}
        if not self._call.reads:
            yield counted
            return
        attributes: Attributes = {"db.system.name": self.capabilities.name, "db.operation.name": operation}
        if collection:
            attributes = {**attributes, "db.collection.name": collection}
        name = f"{operation} {collection}".rstrip()
        span = self._call.signals.start(name, SpanKind.CLIENT, attributes, context=self._call.parent)
        try:
            with use_span(span, record_exception=False, set_status_on_exception=False):
                yield counted
        except BaseException as error:
            fail(span, error_type(error))
            raise
        finally:
            span.set_attributes(counted)
            span.end()


def _collection(selection: Selection) -> str:
    match selection.source:
        case InStream(stream):
            return category_of([stream])
        case InCategory(category):
            return category
        case _:
            return ""
