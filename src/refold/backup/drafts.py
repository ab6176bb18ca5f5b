"""Files that are there whole, or not at all: made in a folder beside, and given their name when they are done."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from refold.errors import Refused, StoreError, StoreFull, StoreUnreachable

PRIVATE: Final = 0o600
"""The mode of a file that is for its user alone."""


def mode_of(path: Path) -> int:
    """Who may read and write a file."""
    return path.stat().st_mode & 0o666


def new(path: Path, mode: int) -> BinaryIO:
    """A file where nothing is, to be written; of this mode, less the umask."""
    return open(path, "x+b", opener=lambda name, flags: os.open(name, flags, mode))


@contextmanager
def workshop(target: Path) -> Generator[Path]:
    """A folder beside a file, or folder, that is to be; gone at the end, with all that is still in it.

    Raises:
        Refused: there is something of that name. StoreFull, StoreUnreachable: nothing can be written there.
    """
    absent(target)
    with writable(target):
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".draft", dir=target.absolute().parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def writable(target: Path) -> Generator[None]:
    """Turn errors of the system into ours."""
    try:
        yield
    except OSError as error:
        raise _as_ours(error, target) from error


def _as_ours(error: OSError, target: Path) -> StoreError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreFull(
            f"no space is left for {str(target)!r} ({error.strerror}). It was not written, and what was begun is gone."
        )
    return StoreUnreachable(f"{str(target)!r} cannot be written: {error.strerror or error}.")


def absent(target: Path) -> None:
    """See that nothing has this name.

    Raises:
        Refused: something has.
    """
    if target.exists() or target.is_symlink():
        raise Refused(f"{str(target)!r} is there already, and nothing is overwritten: choose another name.")


def placed(draft: Path, target: Path) -> None:
    """Give something that is whole its name, durably, unless somebody took that name meanwhile.

    Raises:
        Refused: somebody did.
    """
    for each in draft.iterdir() if draft.is_dir() else (draft,):
        _sync(each)
    if draft.is_dir():
        absent(target)
        draft.rename(target)  # onto a folder with something in it, the system refuses that
    else:
        _linked(draft, target)
    if os.name != "nt":
        _sync(target.absolute().parent)


def _linked(draft: Path, target: Path) -> None:
    try:
        os.link(draft, target)  # unlike renaming, this never replaces what is there
    except FileExistsError:
        absent(target)
        raise
    except OSError:  # a file system without links
        absent(target)
        draft.rename(target)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
