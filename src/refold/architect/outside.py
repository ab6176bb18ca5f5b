"""Outside: what code may look at or change beside what it is given. A clock, chance, the world, a store."""

from __future__ import annotations

import os
import random
from datetime import date
from pathlib import PurePath
from types import ModuleType
from typing import Any, Final, Literal, TypeAlias

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
    **dict.fromkeys(("builtins.input", "os.getenv", "os.system", "posix.system", "asyncio.tasks.sleep"), "world"),
}  # fmt: skip
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
    name, owner = getattr(thing, "__name__", ""), getattr(thing, "__self__", None)
    if owner is _SHARED_RANDOM and owner is not None:
        return "chance", f"random.{name}()"
    if isinstance(owner, type) and issubclass(owner, date) and name in _CLOCKS:
        return "clock", f"{owner.__name__}.{name}()"
    if on is not None and issubclass(on, PurePath):
        return ("world", f"{on.__name__}.{name}()") if name in _FILES else None
    if on is random.Random:
        return None
    module = owner.__name__ if isinstance(owner, ModuleType) else getattr(thing, "__module__", None) or ""
    if thing is random.SystemRandom:
        return "chance", "random.SystemRandom()"
    full = f"{module}.{getattr(thing, '__qualname__', name)}"
    if full in _NAMED:
        return _NAMED[full], f"{full.removeprefix('builtins.').removeprefix('_io.')}()"
    return _of_module(thing, module, full)


def _of_module(thing: Any, module: str, full: str) -> tuple[Outside, str] | None:  # noqa: ANN401 - as above
    if isinstance(thing, type) and issubclass(thing, BaseException | tuple):
        return None
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        if kind := _MODULES.get(".".join(parts[:end])):
            return kind, f"{full}()"
    return None


def is_environment(thing: object) -> bool:
    """Whether it is the environment of this process."""
    return thing is os.environ
