"""A virtual environment for each peer, made from its lock when it is needed, in `.bench/`."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".bench"
LOCKS = Path(__file__).parent / "peers"
MADE_IN = 120.0
"""How many seconds an environment may take. A machine without an index is told so by pip sooner."""


class NotMade(Exception):
    """An environment could not be made, and why."""


def python_of(peer: str, cache: Path = CACHE) -> Path:
    """The Python that has a peer installed. It is named for its lock, so another lock makes another environment.

    Raises:
        NotMade: pip reaches no index, or finds nothing for this machine.
    """
    lock = LOCKS / f"{peer}.txt"
    version = ".".join(map(str, sys.version_info[:2]))
    place = cache / f"{peer}-{version}-{hashlib.blake2b(lock.read_bytes(), digest_size=6).hexdigest()}"
    if not (place / "made").exists():
        try:
            _make(place, lock)
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(place, ignore_errors=True)
            raise NotMade(_reason(error)) from error
    return place / "bin" / "python"


def _make(place: Path, lock: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "--retries", "1"]
    for command in (
        [sys.executable, "-m", "venv", str(place)],
        [*pip, "install", "-q", "--only-binary", ":all:", "--require-hashes", "-r", str(lock)],
    ):
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=MADE_IN)
    (place / "made").touch()


def _reason(error: Exception) -> str:
    """The last line that pip wrote, which says it best."""
    said = str(error.stderr or "") if isinstance(error, subprocess.CalledProcessError) else ""
    lines = [line.strip() for line in said.splitlines() if line.startswith("ERROR")]
    return lines[-1].removeprefix("ERROR: ") if lines else str(error)
