"""Outside: what code may look at or change beside what it is given. A clock, chance, the world, a store."""

from __future__ import annotations

import os
import random
from datetime import date
from pathlib import PurePath
from types import ModuleType
from typing import Any, Final, Literal, TypeAlias

from refold.architect.source import attribute
from refold.architect.values import is_a

Outside: TypeAlias = Literal["clock", "chance", "world", "store"]

_NAMED: Final[dict[str, Outside]] = {
    **dict.fromkeys(
        (f"time.{name}" for name in (
            "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime", "sleep",
        )),
        "clock",
    ),
    **dict.fromkeys((f"uuid.{name}" for name in ("uuid1", "uuid4", "uuid6", "uuid7")), "chance"),
    **dict.fromkeys((f"{module}.{name}" for module in ("os", "posix", "nt") for name in ("urandom", "getrandom")), "chance"),
    **dict.fromkeys((f"{module}.open" for module in ("io", "_io", "builtins")), "world"),
    **dict.fromkeys(("builtins.input", "asyncio.tasks.sleep"), "world"),
    **dict.fromkeys(
        (f"{module}.{name}" for module in ("os", "posix", "nt") for name in (
            "access", "chdir", "chmod", "fdopen", "fork", "getcwd", "getenv", "getpid", "kill", "link", "listdir", "lstat",
            "makedirs", "mkdir", "open", "popen", "putenv", "read", "readlink", "remove", "removedirs", "rename", "renames",
            "replace", "rmdir", "scandir", "stat", "symlink", "system", "truncate", "unlink", "unsetenv", "utime", "walk",
            "write",
        )),
        "world",
    ),
    **dict.fromkeys(
        (f"{module}.{name}" for module in ("genericpath", "posixpath", "ntpath", "nt") for name in (
            "abspath", "_path_exists", "_path_isdir", "_path_isfile", "exists", "expanduser", "getatime", "getctime",
            "getmtime", "getsize", "isdir", "isfile", "islink", "ismount", "lexists", "realpath", "samefile",
        )),
        "world",
    ),
}  # fmt: skip
_READ: Final = {
    "builtins": "", "_io": "", "posix": "os.", "nt": "os.", "genericpath": "os.path.", "posixpath": "os.path.",
    "ntpath": "os.path.",
}  # fmt: skip
"""Modules that people know by another name."""
_PURE: Final = {"psycopg.types", "psycopg.sql", "psycopg.rows", "psycopg2.sql", "psycopg2._json"}
"""What makes values alone, in modules that otherwise reach for the world."""
_CLOCKS: Final = {"now", "utcnow", "today"}
_MODULES: Final[dict[str, Outside]] = {
    "secrets": "chance",
    **dict.fromkeys(
        (
            "requests", "httpx", "httpcore", "aiohttp", "urllib3", "urllib.request", "http.client", "socket", "_socket",
            "smtplib", "aiosmtplib", "ftplib", "subprocess", "sqlite3", "_sqlite3", "apsw", "psycopg", "psycopg2", "asyncpg",
            "pymongo",
            "redis", "boto3", "botocore", "paramiko", "shutil", "tempfile",
        ),
        "world",
    ),
    **dict.fromkeys(("refold.store", "refold.aio", "refold.read_model", "refold.aio_read_model"), "store"),
}  # fmt: skip
_FILES: Final = {
    "read_text", "read_bytes", "write_text", "write_bytes", "open", "unlink", "mkdir", "rmdir", "touch", "exists", "stat",
    "iterdir", "glob", "rglob", "rename", "replace", "is_file", "is_dir",
}  # fmt: skip
_SHARED_RANDOM: Final = getattr(random.random, "__self__", None)


def outside(thing: Any, on: type[Any] | None = None) -> tuple[Outside, str] | None:  # noqa: ANN401, PLR0911 - anything
    """What calling it looks at or changes, and its name; None if nothing is known. `on`: the class that it is called on."""
    name: str = attribute(thing, "__name__") or ""
    owner: Any = attribute(thing, "__self__")
    if _SHARED_RANDOM is not None and _SHARED_RANDOM is owner:
        return "chance", f"random.{name}()"
    if is_a(owner, type) and issubclass(owner, date) and name in _CLOCKS:
        return "clock", f"{owner.__name__}.{name}()"
    if on is not None and issubclass(on, PurePath):
        return ("world", f"{on.__name__}.{name}()") if name in _FILES else None
    if on is random.Random:
        return None
    module = str((owner.__name__ if is_a(owner, ModuleType) else attribute(thing, "__module__")) or "")
    if thing is random.SystemRandom:
        return "chance", "random.SystemRandom()"
    full = f"{module}.{attribute(thing, '__qualname__') or name}"
    if full in _NAMED:
        return _NAMED[full], f"{_READ.get(module, f'{module}.')}{name}()"
    return _of_module(thing, module, full)


def _of_module(thing: Any, module: str, full: str) -> tuple[Outside, str] | None:  # noqa: ANN401 - as above
    if is_a(thing, type) and issubclass(thing, (BaseException, tuple)):
        return None
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        if ".".join(parts[:end]) in _PURE:
            return None
        if kind := _MODULES.get(".".join(parts[:end])):
            return kind, f"{full}()"
    return None


def is_environment(thing: object) -> bool:
    """Whether it is the environment of this process."""
    return thing is os.environ
