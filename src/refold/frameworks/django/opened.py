"""The store of a process: opened when it is first asked for, shared by all threads, closed at the end."""

from __future__ import annotations

import atexit
import os
from threading import Lock
from typing import Any, Final, cast

from refold.frameworks.django.configured import configured
from refold.frameworks.headers import CORRELATION
from refold.store import Store

_opening: Final = Lock()
_opened: Final[dict[tuple[int, str], Store]] = {}
"""By process, since a server may fork after it was opened, and by URL, since a test may change the settings."""


def store() -> Store:
    """The store that the settings name; any number of threads share it.

    Raises:
        UsageError: the settings name none.
        StoreError: as `Store.open`.
    """
    key = os.getpid(), configured().store
    with _opening:
        if key not in _opened:
            _opened[key] = Store.open(key[1])
        return _opened[key]


def store_of(request: Any) -> Store:  # noqa: ANN401 - Django has no types
    """The same, for appends in the name of who is logged in, and in the story that the request names."""
    user: Any = getattr(request, "user", None)
    actor = cast("str", user.get_username()) if user is not None and user.is_authenticated else None
    return store().context(actor=actor, correlation_id=request.headers.get(CORRELATION))


@atexit.register
def close() -> None:
    """Close the stores of this process: at its end, or between tests. The next `store()` opens it anew."""
    with _opening:
        for key in [key for key in _opened if key[0] == os.getpid()]:
            _opened.pop(key).close()
