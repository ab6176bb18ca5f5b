"""A copy of a store's file as it is at one moment, made while others write."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Final

import apsw

from refold.backends.sqlite.connection import as_ours, connected
from refold.backends.sqlite.location import Location

PAGES: Final = 2_000
"""So many are copied between two words about it."""


def copy_online(location: Location, path: str, tell: Callable[[int, int], object]) -> None:
    """Copy it to a new file, page by page; `tell` hears how many pages are done, and of how many.

    Raises:
        StoreFull: there is no space for the copy. StoreError: the store cannot be read, or the copy not be written.
    """
    try:
        with closing(connected(replace(location, mode="ro"))) as source, closing(_fresh(path)) as copy:
            # One transaction holds one moment for as long as it takes. Without it a copy begins anew whenever somebody
            # commits between two steps, and beside steady writers never ends.
            source.execute("begin")
            source.execute("select 1 from events limit 1").fetchall()
            with copy.backup("main", source, "main") as backup:
                while not backup.done:
                    backup.step(PAGES)
                    tell(backup.page_count - backup.remaining, backup.page_count)
            source.execute("commit")
    except (apsw.FullError, apsw.CantOpenError) as error:
        raise as_ours(error, replace(location, path=path)) from error
    except apsw.Error as error:
        raise as_ours(error, location) from error


def _fresh(path: str) -> apsw.Connection:
    """A new file; it is brought to the disk once, at the end, by whoever gives it its name."""
    copy = apsw.Connection(path)
    copy.execute("pragma synchronous = off")
    return copy
