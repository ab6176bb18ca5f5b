"""The server's errors, turned into ours."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout

from refold.backends.postgres.location import PostgresLocation
from refold.backends.postgres.pools import Demoted, Failed
from refold.backends.postgres.session import lost
from refold.errors import (
    RefoldError,
    StoreBusy,
    StoreClosed,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnreachable,
    UsageError,
    shortened,
)


@asynccontextmanager
async def translated(location: PostgresLocation, texts: Sequence[str] = ()) -> AsyncGenerator[None]:
    """Turns the server's errors into ours; `texts` is the transaction's SQL, empty where it is not the application's."""
    try:
        yield
    except (psycopg.Error, PoolTimeout, PoolClosed) as error:
        raise as_ours(error, location) from error
    except Failed as failed:
        raise as_ours(failed.error, location, texts[failed.index] if texts else "") from failed.error


def as_ours(error: Exception, location: PostgresLocation, text: str = "") -> RefoldError:  # noqa: C901, PLR0911, PLR0912 - a table
    """The error of ours that says what the server's means for the user."""
    said = str(error).strip().split("\n")[0]
    match error:
        case PoolClosed():
            return StoreClosed()
        case PoolTimeout():
            return StoreUnreachable(f"no connection within {location.busy_timeout:g} s ({said}): is the server there?")
        case Demoted():
            return StoreUnreachable(
                f"the server only reads by now ({said}), nothing was written: another one takes over."
            )
        case psycopg.Error() if lost(error):  # whatever it says: it is not known what became of it
            return StoreUnreachable(f"the server does not answer ({said}): check the URL and the network.")
        case errors.QueryCanceled() | errors.LockNotAvailable() | errors.DeadlockDetected():
            return StoreBusy(
                f"the store is busy ({said}), nothing was written: try again, or set ?busy_timeout=SECONDS."
            )
        case errors.UniqueViolation() | errors.SerializationFailure() if not text:
            return StoreBusy(
                f"another append was first, and this transaction looks from before it ({said}), nothing was written: "
                "run the transaction again, or take isolation level READ COMMITTED."
            )
        case errors.DiskFull():
            return StoreFull(f"the server has no space left ({said}). Nothing was written.")
        case errors.InsufficientPrivilege() | errors.ReadOnlySqlTransaction() if not text:
            return StoreReadOnly(f"this role may not do that ({said}). Nothing was written.")
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return StoreUnreachable(f"the server does not answer ({said}): check the URL and the network.")
        case errors.ReadOnlySqlTransaction():
            return UsageError(f"this SQL may only read ({said}): {text.strip()}")
        case psycopg.Error() if text:
            return UsageError(f"PostgreSQL cannot run this ({said}): {text.strip()}")
        case UnicodeEncodeError():
            return UsageError(f"{shortened(error.object)} is no text ({error.reason}): {shortened(text.strip())}")
        case _:
            return StoreError(f"PostgreSQL says {type(error).__name__}: {said}.")
