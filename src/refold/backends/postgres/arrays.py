"""Arrays as PostgreSQL reads them: texts made in few calls, where the driver makes several for each element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

_GAP: Final = "\x1f"  # in JSON and in names no such character stands; elsewhere it is looked for


def texts(values: Sequence[str | None]) -> str:
    """The literal of an array of texts."""
    if None in values:
        return _one_by_one(values)
    joined = _GAP.join(cast("Sequence[str]", values))
    if not values or joined.count(_GAP) >= len(values):
        return _one_by_one(values)
    return '{"' + _escaped(joined).replace(_GAP, '","') + '"}'


def numbers(values: Sequence[int | None]) -> str:
    """The literal of an array of whole numbers."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def _one_by_one(values: Sequence[str | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else f'"{_escaped(value)}"' for value in values]) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
