"""A file that is there whole, or not at all: written beside, and renamed when the last byte is on the disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from refold.errors import UsageError


@contextmanager
def whole_file(path: Path) -> Generator[BinaryIO]:
    """Where to write. Whatever is raised meanwhile leaves what was there before.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as out:
            beside = Path(out.name)
            try:
                yield cast("BinaryIO", out)
                out.flush()
                os.fsync(out.fileno())
                beside.chmod(0o666 & ~_umask())
                beside.replace(path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be written: {error.strerror or error}.") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
