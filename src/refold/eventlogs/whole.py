"""A file that is there whole, or not at all: written beside, and renamed when the last byte is on the disk."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from refold.errors import StoreFull, UsageError


@contextmanager
def whole_file(path: Path, mode: int = 0o666) -> Generator[BinaryIO]:
    """Where to write. Whatever is raised meanwhile leaves what was there before.

    A new file has this mode, less the umask; one that is replaced gives its own.

    Raises:
        UsageError: it cannot be written there. StoreFull: no space is left.
    """
    try:
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as out:
            beside = Path(out.name)
            try:
                yield cast("BinaryIO", out)
                out.flush()
                os.fsync(out.fileno())
                beside.chmod(path.stat().st_mode & 0o777 if path.exists() else mode & ~_umask())
                beside.replace(path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StoreFull(
                f"no space is left for {str(path)!r} ({error.strerror}): it is as it was before."
            ) from error
        raise UsageError(f"{str(path)!r} cannot be written: {error.strerror or error}.") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
