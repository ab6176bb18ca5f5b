"""PostgreSQL: production. One schema of one database, any number of processes and machines that use it."""

from __future__ import annotations

from refold.backends.postgres.backend import PostgresBackend, migration_of, opened_awaiting, opened_blocking
from refold.backends.postgres.location import PostgresLocation

__all__ = ["PostgresBackend", "PostgresLocation", "migration_of", "opened_awaiting", "opened_blocking"]
