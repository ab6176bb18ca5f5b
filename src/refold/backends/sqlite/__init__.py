"""SQLite: the embedded default. One file, one machine, any number of threads and processes."""

from __future__ import annotations

from refold.backends.sqlite.backend import SqliteBackend
from refold.backends.sqlite.connection import migration_of
from refold.backends.sqlite.location import Location

__all__ = ["Location", "SqliteBackend", "migration_of"]
