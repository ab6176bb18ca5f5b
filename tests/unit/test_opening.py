"""From a URL to a store: what is understood, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from refold import Store, UsageError
from refold.backends.sqlite import Location


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("sqlite:///shop.db", Location("shop.db")),
        ("sqlite:////var/lib/shop.db", Location("/var/lib/shop.db")),
        ("sqlite:///:memory:", Location(":memory:", "best-effort")),
        ("sqlite:///a b/ä.db", Location("a b/ä.db")),
        ("sqlite:///s.db?durability=best-effort", Location("s.db", "best-effort")),
        ("sqlite:///s.db?busy_timeout=0.5&mode=ro", Location("s.db", "disk", 0.5, "ro")),
    ],
)
def test_a_url_names_a_location(url: str, location: Location) -> None:
    assert Location.parse(url) == location


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite:///", "is not the URL of a SQLite store: write sqlite:///shop.db"),
        ("sqlite://shop.db", "is not the URL of a SQLite store"),
        ("sqlite:///s.db?durable=yes", "unknown setting 'durable': known are durability"),
        ("sqlite:///s.db?durability=quorum-disk", "a value that is not known"),
        ("sqlite:///s.db?busy_timeout=soon", "a value that is not known"),
        ("sqlite:///s.db?busy_timeout=nan", "a value that is not known"),
        ("sqlite:///s.db?busy_timeout=-1", "a value that is not known"),
        ("sqlite:///s.db?mode=", "a value that is not known"),
        ("mongodb://host/db", "is no store that this Refold can open"),
        ("shop.db", "is no store that this Refold can open"),
        ("", "is no store that this Refold can open"),
    ],
)
def test_another_url_is_told_what_is_known(url: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Store.open(url)


@pytest.mark.guarantee("G2")
@pytest.mark.parametrize(
    ("settings", "durability", "synchronous"),
    [("", "disk", 2), ("?durability=disk", "disk", 2), ("?durability=best-effort", "best-effort", 1)],
)
def test_the_durability_is_that_of_the_engine(tmp_path: Path, settings: str, durability: str, synchronous: int) -> None:
    with Store.open(f"sqlite:///{tmp_path}/s.db{settings}") as store:
        engine: Any = store._engine
        db = engine._writer.backend._db
        assert (store.durability, db.pragma("synchronous"), db.pragma("journal_mode")) == (
            durability,
            synchronous,
            "wal",
        )


def test_in_memory_promises_nothing() -> None:
    with Store.open("sqlite:///:memory:") as one, Store.open("memory://") as other:
        assert (one.durability, other.durability) == ("best-effort", "best-effort")


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    Store.open(f"sqlite:///{tmp_path}/s.db").close()
    assert (tmp_path / "s.db").read_bytes()[68:72] == b"RFLD"
    assert [path.name for path in tmp_path.iterdir()] == ["s.db"]
