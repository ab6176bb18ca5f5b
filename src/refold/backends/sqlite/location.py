"""Where a SQLite store is and how it is to be opened: the URL, read."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl

from refold.errors import UsageError
from refold.ports import Durability
from refold.secrecy import shown

_FORM = "sqlite:///shop.db, sqlite:////var/lib/shop.db or sqlite:///:memory:"
_LEVELS: dict[str, Durability] = {"disk": "disk", "best-effort": "best-effort"}
_MODES: dict[str, Literal["rw", "ro"]] = {"rw": "rw", "ro": "ro"}
_SETTINGS = "durability=disk|best-effort, busy_timeout=SECONDS, mode=rw|ro"


@dataclass(frozen=True, slots=True)
class Location:
    """A file, or `:memory:`.

    `durability`: "disk" waits for the disk at each commit (`synchronous=FULL`), "best-effort" may lose the newest
    commits in a power cut, never their order (`NORMAL`). `busy_timeout`: how many seconds to wait for another process.
    `mode`: "rw" makes the file if it is not there, "ro" only reads.
    """

    path: str
    durability: Durability = "disk"
    busy_timeout: float = 5.0
    mode: Literal["rw", "ro"] = "rw"

    @property
    def in_memory(self) -> bool:
        """Whether the store is gone when it is closed."""
        return self.path == ":memory:"

    def tenant(self, name: str) -> Location:
        """A file of its own for a tenant, in a folder for those who may read this one: `shop.db.tenants/acme.db`."""
        if self.in_memory:
            return self
        folder = Path(f"{self.path}.tenants")
        if self.mode == "rw":
            folder.mkdir(self._folder_mode(), exist_ok=True)
        return replace(self, path=str(folder / f"{_file_name(name)}.db"))

    def _folder_mode(self) -> int:
        mode = Path(self.path).stat().st_mode & 0o777 if Path(self.path).exists() else 0o777
        return mode | mode >> 2 & 0o111

    @staticmethod
    def parse(url: str) -> Location:
        """The location that a URL names.

        Raises:
            UsageError: the URL has another form, or a setting that is not known.
        """
        path, _, settings = url.removeprefix("sqlite:///").partition("?")
        given = shown(url).partition("?")[0]
        if not url.startswith("sqlite:///") or not path:
            raise UsageError(f"{given!r} is not the URL of a SQLite store: write {_FORM}.")
        known = {"durability": "disk", "busy_timeout": "5", "mode": "rw"}
        for name, value in parse_qsl(settings, keep_blank_values=True):
            if name not in known:
                raise UsageError(f"{given!r} has the unknown setting {name!r}: known are {_SETTINGS}.")
            known[name] = value
        return _located(url, path, known)


def _located(url: str, path: str, settings: dict[str, str]) -> Location:
    durability, mode = _LEVELS.get(settings["durability"]), _MODES.get(settings["mode"])
    busy_timeout = _seconds(settings["busy_timeout"])
    if durability is None or mode is None or busy_timeout is None:
        raise UsageError(f"{shown(url)!r} has a setting with a value that is not known: write {_SETTINGS}.")
    return Location(path, "best-effort" if path == ":memory:" else durability, busy_timeout, mode)


def _file_name(name: str) -> str:
    """The tenant's name, if every file system keeps it apart from all others; else a digest of it."""
    if re.fullmatch(r"[a-z0-9][a-z0-9_]{0,99}", name):
        return name
    return f"-{hashlib.blake2b(name.encode(), digest_size=20).hexdigest()}"


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < inf else None
