"""Event logs of other systems, read row by row and mapped to streams, types and times; and our own events as files."""

from refold.errors import EventLogError
from refold.eventlogs.exporter import Choices, export
from refold.eventlogs.mapping import LogEntry, LogMapping, ResolvedMapping, entries
from refold.eventlogs.opening import EventLog, open_log
from refold.eventlogs.rows import BadRow, Json, LogRow, Row

__all__ = [
    "BadRow",
    "Choices",
    "EventLog",
    "EventLogError",
    "Json",
    "LogEntry",
    "LogMapping",
    "LogRow",
    "ResolvedMapping",
    "Row",
    "entries",
    "export",
    "open_log",
]
