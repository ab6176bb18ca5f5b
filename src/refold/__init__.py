"""Refold: event sourcing and CQRS. User code is pure and yields what should happen; Refold makes it happen, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refold._version import __version__

if TYPE_CHECKING:
    from refold.aio import AsyncBoundary, AsyncCommandStreams, AsyncStore, AsyncStreams
    from refold.aio_instances import AsyncInstances
    from refold.aio_live import AsyncLiveModel, AsyncLiveState
    from refold.aio_periods import AsyncPeriods
    from refold.aio_read_model import AsyncReadModel
    from refold.aio_received import AsyncReceived
    from refold.aio_running import AsyncRunning
    from refold.app import App
    from refold.clock import Clock, SystemClock
    from refold.closing import Closing
    from refold.cloudevents import CloudEvent
    from refold.copying.report import Copied, Equivalence
    from refold.copying.stored import StoredEvent, Transform
    from refold.errors import (
        AddressRefused,
        Archived,
        ArchiveDamaged,
        BackupDamaged,
        BadMessage,
        BadSignature,
        CannotUndo,
        Conflict,
        DeliveryError,
        EventLogError,
        IdReused,
        InvalidEvent,
        InvalidName,
        KeyReused,
        MessageRefused,
        MissingExtra,
        NewerFormat,
        NoSuchInstance,
        NoSuchProjection,
        NoSuchVersion,
        NotACopy,
        NotAStore,
        NotCaughtUp,
        OutcomeUnknown,
        ProjectionChanged,
        ProjectionStopped,
        ReceiverAway,
        ReceiverGone,
        RefoldError,
        Refused,
        SnapshotMismatch,
        StoreBusy,
        StoreClosed,
        StoreCorrupt,
        StoreError,
        StoreFull,
        StoreReadOnly,
        StoreUnreachable,
        TooLarge,
        TransformFailed,
        UndecodableEvent,
        UnknownEventType,
        Unreadable,
        Unsupported,
        UpcasterError,
        UsageError,
    )
    from refold.external import Breaker, Call, EffectHandler, Retry, effect
    from refold.flows.append import Receipt
    from refold.flows.decide import Decided
    from refold.flows.forgetting import Forgotten, SubjectForgotten
    from refold.flows.history import Step
    from refold.flows.load import AsOf, Loaded
    from refold.flows.processes.catching_up import CaughtUp
    from refold.flows.processes.histories import Happening
    from refold.flows.processes.listing import InstanceStatus
    from refold.flows.processes.outgoing import Outgoing
    from refold.flows.processes.scheduling import schedules
    from refold.flows.processes.showing import InstanceView
    from refold.flows.processes.steering import Cancelling, Mended
    from refold.flows.processes.timers import Timer
    from refold.flows.projections.dead_letters import DeadLetter, DeadLetterGroup
    from refold.flows.projections.differences import Comparison, RowDifference, TableDifference, Touch
    from refold.flows.projections.findings import Audit
    from refold.flows.projections.status import ProjectionStatus, RunnerStatus
    from refold.flows.projections.work import Partition
    from refold.flows.redecide import Redecision
    from refold.flows.snapshotting import SnapshotCheck
    from refold.flows.together import StreamWrite
    from refold.flows.transact import Handled
    from refold.flows.whatif import Divergence, WhatIf
    from refold.fold import Decider, DecisionModel, Fold, Scoped, ScopedDecider, Send, compose
    from refold.instances import Instances
    from refold.inverse import Inverse, redoes, undoes
    from refold.limits import Limits
    from refold.live import LiveModel, LiveState
    from refold.messages import Metadata, NewEvent, Position, RawEvent, Recorded, StreamName, command, event
    from refold.patching import Operation
    from refold.periods import Periods
    from refold.personal import Personal
    from refold.ports import Damage, Durability, QueryMatched, Stats, StreamCheck, StreamInfo, StreamMoved
    from refold.process import After, At, Cancel, Effect, Fail, Finish, Process, after, at, cancel, fail, finish
    from refold.projection import Projection, Question, Statement, ask, sql
    from refold.publication import Publication, Sender
    from refold.query import ANY, EXISTS, NO_STREAM, AppendCondition, Expected, ExpectedVersion, Query, QueryItem
    from refold.read_model import ReadModel
    from refold.received import Received
    from refold.running import Running
    from refold.sagas import Declared, Saga, saga
    from refold.schedule import Misfire, Schedule
    from refold.snapshot import Snapshots
    from refold.steps import Declined, SagaAborted, SagaFailure, StepFailed, Steps, StepTimedOut
    from refold.store import Boundary, CommandStreams, Store, Streams
    from refold.subscription import AsyncSubscription, Subscription
    from refold.tables import Table
    from refold.undoing import Obstacle, Redo, Undo, UndoStep
    from refold.upcasting import Upcaster, default, downcast, drop, move, rename, split, upcast

__all__ = [
    "ANY",
    "EXISTS",
    "NO_STREAM",
    "AddressRefused",
    "After",
    "App",
    "AppendCondition",
    "ArchiveDamaged",
    "Archived",
    "AsOf",
    "AsyncBoundary",
    "AsyncCommandStreams",
    "AsyncInstances",
    "AsyncLiveModel",
    "AsyncLiveState",
    "AsyncPeriods",
    "AsyncReadModel",
    "AsyncReceived",
    "AsyncRunning",
    "AsyncStore",
    "AsyncStreams",
    "AsyncSubscription",
    "At",
    "Audit",
    "BackupDamaged",
    "BadMessage",
    "BadSignature",
    "Boundary",
    "Breaker",
    "Call",
    "Cancel",
    "Cancelling",
    "CannotUndo",
    "CaughtUp",
    "Clock",
    "Closing",
    "CloudEvent",
    "CommandStreams",
    "Comparison",
    "Conflict",
    "Copied",
    "Damage",
    "DeadLetter",
    "DeadLetterGroup",
    "Decided",
    "Decider",
    "DecisionModel",
    "Declared",
    "Declined",
    "DeliveryError",
    "Divergence",
    "Durability",
    "Effect",
    "EffectHandler",
    "Equivalence",
    "EventLogError",
    "Expected",
    "ExpectedVersion",
    "Fail",
    "Finish",
    "Fold",
    "Forgotten",
    "Handled",
    "Happening",
    "IdReused",
    "InstanceStatus",
    "InstanceView",
    "Instances",
    "InvalidEvent",
    "InvalidName",
    "Inverse",
    "KeyReused",
    "Limits",
    "LiveModel",
    "LiveState",
    "Loaded",
    "Mended",
    "MessageRefused",
    "Metadata",
    "Misfire",
    "MissingExtra",
    "NewEvent",
    "NewerFormat",
    "NoSuchInstance",
    "NoSuchProjection",
    "NoSuchVersion",
    "NotACopy",
    "NotAStore",
    "NotCaughtUp",
    "Obstacle",
    "Operation",
    "OutcomeUnknown",
    "Outgoing",
    "Partition",
    "Periods",
    "Personal",
    "Position",
    "Process",
    "Projection",
    "ProjectionChanged",
    "ProjectionStatus",
    "ProjectionStopped",
    "Publication",
    "Query",
    "QueryItem",
    "QueryMatched",
    "Question",
    "RawEvent",
    "ReadModel",
    "Receipt",
    "Received",
    "ReceiverAway",
    "ReceiverGone",
    "Recorded",
    "Redecision",
    "Redo",
    "RefoldError",
    "Refused",
    "Retry",
    "RowDifference",
    "RunnerStatus",
    "Running",
    "Saga",
    "SagaAborted",
    "SagaFailure",
    "Schedule",
    "Scoped",
    "ScopedDecider",
    "Send",
    "Sender",
    "SnapshotCheck",
    "SnapshotMismatch",
    "Snapshots",
    "Statement",
    "Stats",
    "Step",
    "StepFailed",
    "StepTimedOut",
    "Steps",
    "Store",
    "StoreBusy",
    "StoreClosed",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreReadOnly",
    "StoreUnreachable",
    "StoredEvent",
    "StreamCheck",
    "StreamInfo",
    "StreamMoved",
    "StreamName",
    "StreamWrite",
    "Streams",
    "SubjectForgotten",
    "Subscription",
    "SystemClock",
    "Table",
    "TableDifference",
    "Timer",
    "TooLarge",
    "Touch",
    "Transform",
    "TransformFailed",
    "UndecodableEvent",
    "Undo",
    "UndoStep",
    "UnknownEventType",
    "Unreadable",
    "Unsupported",
    "Upcaster",
    "UpcasterError",
    "UsageError",
    "WhatIf",
    "__version__",
    "after",
    "ask",
    "at",
    "cancel",
    "command",
    "compose",
    "default",
    "downcast",
    "drop",
    "effect",
    "event",
    "fail",
    "finish",
    "move",
    "redoes",
    "rename",
    "saga",
    "schedules",
    "split",
    "sql",
    "undoes",
    "upcast",
]

if not TYPE_CHECKING:
    _HOMES = (
        "errors", "clock", "limits", "messages", "query", "fold", "external", "projection", "process", "tables", "ports",
        "flows.load", "flows.append", "flows.together", "flows.transact", "flows.decide", "subscription", "store",
        "aio", "app", "read_model", "aio_read_model", "running", "aio_running", "flows.projections.status",
        "flows.projections.differences", "flows.projections.work", "flows.projections.dead_letters",
        "flows.projections.findings", "live", "aio_live", "inverse", "undoing", "patching", "snapshot",
        "flows.snapshotting", "flows.history", "flows.whatif", "flows.redecide", "cloudevents", "publication", "received",
        "aio_received", "schedule", "flows.processes.scheduling", "instances", "aio_instances", "flows.processes.listing",
        "flows.processes.showing", "flows.processes.histories", "flows.processes.steering", "flows.processes.catching_up",
        "flows.processes.timers", "flows.processes.outgoing", "sagas", "steps", "copying.report", "copying.stored",
        "closing", "periods", "aio_periods", "upcasting", "personal", "flows.forgetting",
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
