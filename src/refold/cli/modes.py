"""Who may read and write what is made of a store: whoever may the file that the store is in."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from refold.backup.drafts import PRIVATE, mode_of
from refold.keys.opening import apart


def mode_of_store(url: str) -> int | None:
    """The mode of the file that a store is in; None, if it is in none."""
    file = file_of(url)
    return mode_of(file) if file is not None and file.exists() else None


def make_as(url: str, like: str) -> None:
    """See that the file of a store that is to be made has the mode of another store's, less the umask."""
    file = file_of(url)
    if file is None:
        return
    mode = mode_of_store(like)
    with suppress(OSError):  # it is there; or whoever opens it says better why it cannot be made
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE if mode is None else mode))


def file_of(url: str) -> Path | None:
    """The file that a store is in; None, if it is in none."""
    url, _ = apart(url)
    if not url.startswith("sqlite:///"):
        return None
    from refold.backends.sqlite import Location  # noqa: PLC0415 - other stores need none of it

    location = Location.parse(url)
    return None if location.in_memory else Path(location.path)
