"""Every call by which SQLite changes files, seen before it is made: to write it down, to refuse it, to make half of it.

SQLite's own VFS of Unix is tapped for the time of a block, so that a store is opened as users open it. A VFS in Python,
as apsw offers it, would not do: what SQLite takes no notice of (a checkpoint after the commit that fails) it raises at
the caller. Here SQLite is told a number, as by the system.
"""

from __future__ import annotations

import ctypes
import traceback
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

import apsw

Kind: TypeAlias = Literal["open", "write", "truncate", "sync", "delete"]


class Call(NamedTuple):
    """One call. `size`: what a file is truncated to; of a delete, whether the directory is synced too."""

    kind: Kind
    path: str
    offset: int = 0
    data: bytes = b""
    size: int = 0


class Made(NamedTuple):
    """What is to become of a call: so many bytes of a write are written, the others calls are made or not; what is told."""

    part: int | None = None
    told: int = apsw.SQLITE_OK


WHOLE: Final = Made()
NOTHING: Final = Made(0)


class Watcher(Protocol):
    """Who is asked before each call."""

    def asked(self, call: Call) -> Made:
        """What is to become of it."""
        ...


# SQLite's structures, as sqlite3.h has them ---------------------------------------------------------------------------

_P, _INT, _LONG = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_OPEN: Final = ctypes.CFUNCTYPE(_INT, _P, _P, _P, _INT, _P)  # a name by its place, for more stands behind it there
_DELETE: Final = ctypes.CFUNCTYPE(_INT, _P, _P, _INT)
_WRITE: Final = ctypes.CFUNCTYPE(_INT, _P, _P, _INT, _LONG)
_TRUNCATE: Final = ctypes.CFUNCTYPE(_INT, _P, _LONG)
_SYNC: Final = ctypes.CFUNCTYPE(_INT, _P, _INT)
_VFS_POINTER: Final = 27  # SQLITE_FCNTL_VFS_POINTER


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("version", _INT), ("file_size", _INT), ("longest", _INT), ("next", _P), ("name", ctypes.c_char_p), ("data", _P),
        ("open", _P), ("delete", _P),
    )  # fmt: skip


class _Methods(ctypes.Structure):
    _fields_ = (
        ("version", _INT), ("close", _P), ("read", _P), ("write", _P), ("truncate", _P), ("sync", _P), ("others", _P * 13),
    )  # fmt: skip


class _File(ctypes.Structure):
    _fields_ = (("methods", ctypes.POINTER(_Methods)),)


def _unix() -> _Vfs:
    found = _P()
    with closing(apsw.Connection(":memory:")) as db:
        db.file_control("main", _VFS_POINTER, ctypes.addressof(found))
    return _Vfs.from_address(found.value or 0)


def _never(call: Callable[..., int]) -> Callable[..., int]:
    """A callback that has an error of its own must not go on as if all were well."""

    def called(*of: Any) -> int:
        try:
            return call(*of)
        except BaseException:
            traceback.print_exc()
            return apsw.SQLITE_INTERNAL

    return called


class _Tap:
    """The VFS with other calls in it."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher, self._paths = watcher, dict[int, str]()
        self._vfs = _unix()
        self._whole = self._vfs.open, self._vfs.delete
        self._kept: list[Any] = []  # what C points to must not be collected
        self._methods: dict[int, Any] = {}
        self._real_open, self._real_delete = _OPEN(self._vfs.open), _DELETE(self._vfs.delete)

    def put(self) -> None:
        self._vfs.open = self._callback(_OPEN, self._open)
        self._vfs.delete = self._callback(_DELETE, self._delete)

    def take_away(self) -> None:
        self._vfs.open, self._vfs.delete = self._whole

    def _callback(self, type: Any, call: Callable[..., int]) -> int:
        self._kept.append(type(_never(call)))
        return int(ctypes.cast(self._kept[-1], _P).value or 0)

    def _open(self, vfs: int, name: int | None, file: int, flags: int, told: int) -> int:
        path = ctypes.string_at(name).decode() if name else ""
        made = self._watcher.asked(Call("open", path))
        if made.told:
            _P.from_address(file).value = None  # nothing that is to be closed
            return made.told
        result = int(self._real_open(vfs, name, file, flags, told))
        opened = _File.from_address(file)
        if not result and opened.methods:
            self._paths[file] = path
            opened.methods = ctypes.pointer(self._tapped(opened.methods))
        return result

    def _tapped(self, methods: Any) -> _Methods:
        """The methods of a file with ours among them: made once for each kind of file that there is."""
        at = ctypes.addressof(methods.contents)
        if at not in self._methods:
            real, ours = methods.contents, _Methods.from_buffer_copy(methods.contents)
            ours.write = self._callback(_WRITE, self._writing(_WRITE(real.write)))
            ours.truncate = self._callback(_TRUNCATE, self._truncating(_TRUNCATE(real.truncate)))
            ours.sync = self._callback(_SYNC, self._syncing(_SYNC(real.sync)))
            self._methods[at] = ours
        return self._methods[at]  # type: ignore[no-any-return]

    def _writing(self, write: Callable[..., int]) -> Callable[..., int]:
        def wrote(file: int, data: int, size: int, offset: int) -> int:
            made = self._watcher.asked(Call("write", self._paths[file], offset, ctypes.string_at(data, size)))
            part = size if made.part is None else made.part
            return (part and write(file, data, part, offset)) or made.told

        return wrote

    def _truncating(self, truncate: Callable[..., int]) -> Callable[..., int]:
        def truncated(file: int, size: int) -> int:
            made = self._watcher.asked(Call("truncate", self._paths[file], size=size))
            return made.told if made.told or made is NOTHING else truncate(file, size)

        return truncated

    def _syncing(self, sync: Callable[..., int]) -> Callable[..., int]:
        def synced(file: int, flags: int) -> int:
            made = self._watcher.asked(Call("sync", self._paths[file]))
            return made.told if made.told or made is NOTHING else sync(file, flags)

        return synced

    def _delete(self, vfs: int, name: int, sync_directory: int) -> int:
        made = self._watcher.asked(Call("delete", ctypes.string_at(name).decode(), size=sync_directory))
        return made.told if made.told or made is NOTHING else self._real_delete(vfs, name, sync_directory)


_ever: list[_Tap] = []


@contextmanager
def watched(watcher: Watcher) -> Generator[None]:
    """Stores that are opened in this block change their files through it, also if they are closed later."""
    tap = _Tap(watcher)
    _ever.append(tap)  # of the files that are still open
    tap.put()
    try:
        yield
    finally:
        tap.take_away()
