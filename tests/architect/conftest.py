"""Programs, written where their source can be read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.architect.programs import application

from refold import App


@pytest.fixture
def app_of(tmp_path: Path) -> Iterator[Callable[[str], App]]:
    """The app of a program, given without its imports. It is forgotten afterwards."""
    made: list[str] = []

    def make(text: str) -> App:
        made.append(f"{tmp_path.name}_{len(made)}")
        return application(tmp_path, made[-1], text)

    yield make
    for name in made:
        sys.modules.pop(name, None)
