"""A place beside a store to measure in: a file in a folder of its own, or a schema; gone at the end."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from refold.errors import StoreUnreachable, UsageError
from refold.secrecy import shown

TENANT = "bench"
"""All that is measured belongs to a tenant of the scratch store, so that its read models are apart from all others, too."""


@dataclass(frozen=True)
class Scratch:
    """Its URL, what one wait costs there, and what waits."""

    url: str
    waits_for: str
    wait: Callable[[], object]

    def floor(self, seconds: float) -> list[float]:
        """The seconds of each wait."""
        deadline, laps = time.perf_counter() + seconds, list[float]()
        while len(laps) < 2 or time.perf_counter() < deadline:  # noqa: PLR2004 - a median needs some
            start = time.perf_counter()
            self.wait()
            laps.append(time.perf_counter() - start)
        return laps


@contextmanager
def scratch(url: str) -> Generator[Scratch]:
    """A place beside the store at a URL.

    Raises:
        UsageError: a store of that kind waits for nothing. StoreError: nothing can be made there.
    """
    if url.startswith(("postgresql://", "postgres://")):
        with _schema(url) as place:
            yield place
    elif url.startswith("sqlite:///") and not url.startswith("sqlite:///:memory:"):
        with _folder(url) as place:
            yield place
    else:
        raise UsageError(
            f"{shown(url)!r} waits for no disk and no server: name sqlite:///FILE or postgresql://HOST/DATABASE."
        )


@contextmanager
def _folder(url: str) -> Generator[Scratch]:
    path, _, settings = url.removeprefix("sqlite:///").partition("?")
    beside = Path(path)
    try:
        made = Path(tempfile.mkdtemp(prefix=f"{beside.name}.bench-", dir=beside.parent))
    except OSError as error:
        raise StoreUnreachable(f"no scratch file can be made beside {path}: {error.strerror}.") from error
    # As the store is named: the working directory may have a ? in its name, a URL may not.
    folder = beside.parent / made.name
    try:
        with (folder / "page").open("wb", buffering=0) as page:

            def wait() -> None:
                page.write(b"\0" * 4_096)
                os.fsync(page.fileno())

            file = f"sqlite:///{folder / 'scratch.db'}"
            yield Scratch(f"{file}?{settings}" if settings else file, "an fsync of 4 KiB on this disk", wait)
    finally:
        shutil.rmtree(folder)


@contextmanager
def _schema(url: str) -> Generator[Scratch]:
    from refold.backends.postgres.location import PostgresLocation  # noqa: PLC0415 - it needs its driver
    from refold.opening import migration  # noqa: PLC0415

    migration(url)  # says in our words what is wrong, if the server cannot be reached or the driver is not there
    import psycopg  # noqa: PLC0415

    schema = f"refold_bench_{secrets.token_hex(4)}"
    libpq = PostgresLocation.parse(url).url
    with psycopg.connect(libpq, autocommit=True) as connection:
        try:
            yield Scratch(
                _with_schema(url, schema), "a round trip to this server", lambda: connection.execute("select 1")
            )
        finally:
            for each in (schema, PostgresLocation.parse(_with_schema(url, schema)).tenant(TENANT).schema):
                connection.execute(f'drop schema if exists "{each}" cascade'.encode())


def _with_schema(url: str, schema: str) -> str:
    parts = urlsplit(url)
    pairs = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "schema"]
    return urlunsplit(parts._replace(query=urlencode([*pairs, ("schema", schema)], quote_via=quote)))
