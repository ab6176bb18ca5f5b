"""The attributes of XES and the JSON values they become."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from refold.eventlogs.rows import Json
from refold.eventlogs.times import moment


def _int(text: str) -> int:
    if "_" in text:
        raise ValueError(text)
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if "_" in text or not math.isfinite(number):
        raise ValueError(text)
    return number


def _boolean(text: str) -> bool:
    value = {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    if value is None:
        raise ValueError(text)
    return value


def _date(text: str) -> str:
    moment(text)
    return text


SCALARS: Mapping[str, Callable[[str], Json]] = {
    "string": str,
    "date": _date,
    "int": _int,
    "float": _float,
    "boolean": _boolean,
    "id": str,
}
"""By kind of attribute; each raises ValueError for a text that is no such value. A date stays the text it is."""

KINDS = frozenset(SCALARS) | {"list", "container"}


class Attribute:
    """An attribute whose element is open: its children are still to come."""

    __slots__ = ("children", "key", "kind", "value")

    def __init__(self, kind: str, key: str, value: Json) -> None:
        self.kind, self.key, self.value = kind, key, value
        self.children: dict[str, Json] | list[Json] | None = None  # there are very many, and most have none

    def adopt(self, key: str, value: Json) -> bool:
        """Take a child; False if another one has its key, which only a list allows."""
        if self.children is None:
            self.children = self.empty()
        if isinstance(self.children, list):
            self.children.append({key: value})
            return True
        if key in self.children:
            return False
        self.children[key] = value
        return True

    def empty(self) -> dict[str, Json] | list[Json]:
        return [] if self.kind == "list" else {}

    def json(self) -> Json:
        if self.kind in SCALARS:
            return self.value if self.children is None else {"value": self.value, "children": self.children}
        return self.empty() if self.children is None else self.children
