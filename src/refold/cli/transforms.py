"""The transform that a copy is to use, found by its name."""

from __future__ import annotations

from typing import cast

from refold.cli.apps import imported
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
    found = getattr(imported("--transform", name, module), attribute, None)
    if not callable(found):
        what = "there is no such name in it" if found is None else f"it is {type(found).__name__}, not a function"
        raise UsageError(f"--transform {name!r}: {what}.")
    return cast("Transform", found)
