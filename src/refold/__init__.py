"""Refold: event sourcing and CQRS. User code is pure and yields what should happen; Refold makes it happen, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refold._version import __version__

if TYPE_CHECKING:
    from refold.aio import AsyncBoundary, AsyncCommandStreams, AsyncStore, AsyncStreams
    from refold.app import App
    from refold.clock import Clock, SystemClock
    from refold.errors import (
        CheckpointMoved,
        Conflict,
        EventLogError,
        IdReused,
        InvalidEvent,
        InvalidName,
        KeyReused,
        MissingExtra,
        NewerFormat,
        NoSuchVersion,
        NotAStore,
        OutcomeUnknown,
        ProjectionChanged,
        RefoldError,
        Refused,
        StoreBusy,
        StoreClosed,
        StoreCorrupt,
        StoreError,
        StoreFull,
        StoreReadOnly,
        StoreUnreachable,
        TooLarge,
        UndecodableEvent,
        UnknownEventType,
        Unreadable,
        Unsupported,
        UsageError,
    )
    from refold.flows.append import Receipt
    from refold.flows.decide import Decided
    from refold.flows.load import AsOf, Loaded
    from refold.flows.together import StreamWrite
    from refold.flows.transact import Handled
    from refold.fold import Decider, DecisionModel, Fold, Scoped, ScopedDecider, Send, compose
    from refold.limits import Limits
    from refold.messages import Metadata, NewEvent, Position, RawEvent, Recorded, StreamName, command, event
    from refold.ports import Damage, Durability, QueryMatched, Stats, StreamCheck, StreamInfo, StreamMoved
    from refold.process import After, At, Cancel, Effect, Finish, Process, after, at, cancel, finish
    from refold.projection import Projection, Statement, sql
    from refold.query import ANY, EXISTS, NO_STREAM, AppendCondition, Expected, ExpectedVersion, Query, QueryItem
    from refold.store import Boundary, CommandStreams, Store, Streams

__all__ = [
    "ANY",
    "EXISTS",
    "NO_STREAM",
    "After",
    "App",
    "AppendCondition",
    "AsOf",
    "AsyncBoundary",
    "AsyncCommandStreams",
    "AsyncStore",
    "AsyncStreams",
    "At",
    "Boundary",
    "Cancel",
    "CheckpointMoved",
    "Clock",
    "CommandStreams",
    "Conflict",
    "Damage",
    "Decided",
    "Decider",
    "DecisionModel",
    "Durability",
    "Effect",
    "EventLogError",
    "Expected",
    "ExpectedVersion",
    "Finish",
    "Fold",
    "Handled",
    "IdReused",
    "InvalidEvent",
    "InvalidName",
    "KeyReused",
    "Limits",
    "Loaded",
    "Metadata",
    "MissingExtra",
    "NewEvent",
    "NewerFormat",
    "NoSuchVersion",
    "NotAStore",
    "OutcomeUnknown",
    "Position",
    "Process",
    "Projection",
    "ProjectionChanged",
    "Query",
    "QueryItem",
    "QueryMatched",
    "RawEvent",
    "Receipt",
    "Recorded",
    "RefoldError",
    "Refused",
    "Scoped",
    "ScopedDecider",
    "Send",
    "Statement",
    "Stats",
    "Store",
    "StoreBusy",
    "StoreClosed",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreReadOnly",
    "StoreUnreachable",
    "StreamCheck",
    "StreamInfo",
    "StreamMoved",
    "StreamName",
    "StreamWrite",
    "Streams",
    "SystemClock",
    "TooLarge",
    "UndecodableEvent",
    "UnknownEventType",
    "Unreadable",
    "Unsupported",
    "UsageError",
    "__version__",
    "after",
    "at",
    "cancel",
    "command",
    "compose",
    "event",
    "finish",
    "sql",
]

if not TYPE_CHECKING:
    _HOMES = (
        "errors", "clock", "limits", "messages", "query", "fold", "projection", "process", "app", "ports", "flows.load",
        "flows.append", "flows.together", "flows.transact", "flows.decide", "store", "aio",
    )  # fmt: skip

    def __getattr__(name: str) -> object:
        """A public name, loaded when it is asked for first: `refold --version` waits for none of them."""
        from importlib import import_module  # noqa: PLC0415

        if name in __all__:
            for home in _HOMES:
                module = import_module(f"refold.{home}")
                if hasattr(module, name):
                    return globals().setdefault(name, getattr(module, name))
        raise AttributeError(f"module 'refold' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
