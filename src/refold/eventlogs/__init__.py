"""Event logs of other systems, as CSV, XES or JSONL: read row by row, and mapped to streams, types and times."""

from refold.errors import EventLogError
from refold.eventlogs.mapping import LogEntry, LogMapping, ResolvedMapping, entries
from refold.eventlogs.opening import EventLog, open_log
from refold.eventlogs.rows import BadRow, Json, LogRow, Row

__all__ = [
    "BadRow",
    "EventLog",
    "EventLogError",
    "Json",
    "LogEntry",
    "LogMapping",
    "LogRow",
    "ResolvedMapping",
    "Row",
    "entries",
    "open_log",
]
