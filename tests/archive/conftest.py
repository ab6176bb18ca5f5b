"""Places for stores that can be archived."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.archive.books import write_books

from refold.testing.postgres import PostgresServer

NewUrl: TypeAlias = Callable[[], str]


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer) -> Iterator[NewUrl]:
    """Gives the URL of an empty store, each time another one."""
    numbers = count(1)
    if request.param == "sqlite":
        yield lambda: f"sqlite:///{tmp_path}/{next(numbers)}.db?durability=best-effort"
        return
    url = postgres.new_database()
    yield lambda: f"{url}{'&' if '?' in url else '?'}schema=s{next(numbers)}"
    postgres.drop(url)


@pytest.fixture
def url(new_url: NewUrl) -> str:
    """An empty store."""
    return new_url()


@pytest.fixture
def books(url: str) -> str:
    """A store with three years of three books, and the year that goes on."""
    write_books(url, 3)
    return url


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where nothing is yet."""
    return tmp_path / "archive"
