"""The exit codes of the command line, and which error leads to which."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from refold.errors import (
    BadMessage,
    Conflict,
    DeliveryError,
    EventLogError,
    InvalidName,
    MissingExtra,
    NoSuchInstance,
    NoSuchProjection,
    NoSuchVersion,
    NotACopy,
    NotCaughtUp,
    OutcomeUnknown,
    ProjectionChanged,
    ProjectionStopped,
    ReceiverAway,
    RefoldError,
    Refused,
    StoreCorrupt,
    StoreError,
    TransformFailed,
    Unreadable,
    UsageError,
)


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    UNREACHABLE = 5
    CORRUPT = 6
    REFUSED = 7
    FAULT = 70
    INTERRUPTED = 130


EXITS: Final = """Exit codes:
  0    done
  1    done, with findings: bad rows, events that could not be applied, rows or copies that differ
  2    a wrong call or setting
  3    not found
  4    another writer was first
  5    the store, or something else that is needed, cannot be reached or used now
  6    data are damaged: the store, an event, a file
  7    refused
  70   a fault, of Refold or of the application's code
  130  interrupted"""


class NotFound(RefoldError):
    """What was asked for is not in the store."""


class Interrupted(RefoldError):
    """Ctrl-C; the sentence says how far it got and how to go on."""


class OutputLost(RefoldError):
    """Stdout takes no more of what a command tells."""


_CODES: Final[Sequence[tuple[type[RefoldError], Exit]]] = (
    (Interrupted, Exit.INTERRUPTED),
    (OutputLost, Exit.UNREACHABLE),
    (NotFound, Exit.NOT_FOUND),
    (NoSuchVersion, Exit.NOT_FOUND),
    (NoSuchInstance, Exit.NOT_FOUND),
    (NoSuchProjection, Exit.NOT_FOUND),
    (NotCaughtUp, Exit.FINDINGS),
    (UsageError, Exit.USAGE),
    (MissingExtra, Exit.USAGE),
    (InvalidName, Exit.USAGE),
    (Conflict, Exit.CONFLICT),
    (ReceiverAway, Exit.UNREACHABLE),
    (DeliveryError, Exit.REFUSED),
    (BadMessage, Exit.REFUSED),
    (ProjectionStopped, Exit.REFUSED),
    (Refused, Exit.REFUSED),
    (ProjectionChanged, Exit.REFUSED),
    (NotACopy, Exit.REFUSED),
    (TransformFailed, Exit.REFUSED),
    (StoreCorrupt, Exit.CORRUPT),
    (Unreadable, Exit.CORRUPT),
    (EventLogError, Exit.CORRUPT),
    (StoreError, Exit.UNREACHABLE),
    (OutcomeUnknown, Exit.UNREACHABLE),
)
"""The first that fits counts, so a class stands above those that it is one of."""


def code_of(error: RefoldError | None) -> Exit:
    """The exit code for an error of ours; without one, for an interrupt."""
    if error is None:
        return Exit.INTERRUPTED
    return next((code for cls, code in _CODES if isinstance(error, cls)), Exit.FINDINGS)
