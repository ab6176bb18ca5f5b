"""The transform that a copy is to use, found by its name."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import cast

from refold.copying.stored import Transform
from refold.errors import UsageError


def transform_named(name: str) -> Transform:
    """The function that MODULE:FUNCTION names; the working directory is on the path.

    Raises:
        UsageError: there is none.
    """
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise UsageError(f"--transform {name!r}: write MODULE:FUNCTION, as in --transform moving:split.")
    if os.getcwd() not in sys.path:  # noqa: PTH109 - a text, as sys.path has them
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        found = getattr(import_module(module), attribute, None)
    except Exception as error:  # whatever the module does when it is imported
        raise UsageError(
            f"--transform {name!r}: module {module!r} cannot be imported: {type(error).__name__}: {error}."
        ) from error
    if not callable(found):
        what = "there is no such name in it" if found is None else f"it is {type(found).__name__}, not a function"
        raise UsageError(f"--transform {name!r}: {what}.")
    return cast("Transform", found)
