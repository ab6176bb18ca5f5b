"""Whether two URLs name one store, however they are written."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from refold.cli.modes import file_of
from refold.errors import StoreError

_ELSEWHERE = {"keys", "models"}
"""Settings that name other databases."""


def is_same(one: str, other: str) -> bool:
    """Whether they do, as far as that can be known: by the file, by what a server of PostgreSQL says of itself, by name."""
    if one == other:
        return True
    match urlsplit(one).scheme, urlsplit(other).scheme:
        case "sqlite", "sqlite":
            old, new = file_of(one), file_of(other)
            return old is not None and new is not None and old.exists() and new.exists() and old.samefile(new)
        case (("postgresql" | "postgres"), ("postgresql" | "postgres")):
            database = _database(one)
            return database is not None and database == _database(other)
        case "nats", "nats":
            return _is_same_stream(one, other)
        case _:
            return False


def _database(url: str) -> tuple[object, ...] | None:
    """The cluster, the database and the schema; None, if nobody says so."""
    from refold.opening import migration  # noqa: PLC0415 - it needs its driver

    url = _alone(url)
    try:
        migration(url)  # it is the one to say that the driver is not there
    except StoreError:
        return None
    import psycopg  # noqa: PLC0415

    from refold.backends.postgres.location import PostgresLocation  # noqa: PLC0415

    location = PostgresLocation.parse(url)
    try:
        with psycopg.connect(location.url, autocommit=True) as connection:
            found = connection.execute(
                "select system_identifier, current_database() from pg_control_system()"
            ).fetchone()
    except psycopg.Error:
        return None
    return None if found is None else (*found, location.schema)


def _is_same_stream(one: str, other: str) -> bool:
    """Whether they name one stream, and a server in common: servers of two clusters have no address in common."""
    from refold.backends.nats.location import NatsLocation  # noqa: PLC0415 - it needs its driver

    streams = [NatsLocation.parse(_alone(url)) for url in (one, other)]
    hosts = [{server.rpartition("@")[2] for server in stream.servers} for stream in streams]
    return streams[0].name == streams[1].name and not hosts[0].isdisjoint(hosts[1])


def _alone(url: str) -> str:
    parts = urlsplit(url)
    settings = [each for each in parse_qsl(parts.query, keep_blank_values=True) if each[0] not in _ELSEWHERE]
    return urlunsplit(parts._replace(query=urlencode(settings)))
