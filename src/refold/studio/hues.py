"""Hues: which colour a category has. The first comes first, so that no two of a few are alike."""

from __future__ import annotations

from typing import Final

COUNT: Final = 10
"""How many there are in the stylesheet; further categories begin anew."""
OWN: Final = "own"


class Hues:
    """The classes that categories are coloured by, for as long as this Studio runs."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, category: str) -> str:
        """The class for a category."""
        if category.startswith("$"):
            return f"hue-{OWN}"
        return f"hue-{self._known.setdefault(category, len(self._known)) % COUNT}"
