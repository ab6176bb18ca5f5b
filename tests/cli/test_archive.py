"""`refold archive`, and what other commands say of archived streams."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.archive.books import write_books
from tests.cli.conftest import Run


@pytest.fixture
def books(directory: Path) -> str:
    """Books with two closed years."""
    write_books("sqlite:///books.db", 2, "a")
    return "books.db"


def test_closed_periods_go_to_an_archive_are_checked_and_come_back(refold: Run, books: str, directory: Path) -> None:
    store = ("--store", books)
    shown = refold("show", "book-a", *store).out
    everything = refold("tail", "--limit", "100", *store).out

    assert refold("archive", "create", "old", *store).out == "0 streams with 0 events are in old now.\n"
    assert not (directory / "old").exists()
    plan = refold("archive", "create", "old", *store, "--older-than", "0s", "--dry-run", "--output", "plain")
    assert (plan.code, plan.out) == (0, "book-a\t2\t3\nbook-a@2\t3\t7\n")
    assert not (directory / "old").exists()
    other = refold("archive", "create", "old", *store, "--older-than", "0s", "--category", "note")
    assert other.out == "0 streams with 0 events are in old now.\n"
    done = refold("archive", "create", "old", *store, "--older-than", "0s")
    assert (done.code, done.out) == (0, "2 streams with 5 events are in old now.\n")

    well = refold("archive", "verify", "old", *store)
    assert (well.code, well.out, well.err) == (0, "", "all is well: 2 archived streams with 5 events.\n")
    assert refold("verify", *store).code == 0
    missed = refold("show", "book-a", *store)
    assert (missed.code, "or `--archive` on the command line" in missed.err) == (5, True)
    assert refold("show", "book-a", *store, "--archive", "old").out == shown
    assert refold("tail", "--limit", "100", *store, "--archive", "old").out == everything

    some = refold("archive", "restore", "old", "book-a@2", *store)
    assert (some.code, some.out) == (0, "1 streams with 3 events are back in the store.\n")
    assert refold("archive", "restore", "old", *store).out == "1 streams with 2 events are back in the store.\n"
    assert refold("tail", "--limit", "100", *store).out == everything
    again = refold("archive", "restore", "old", "book-a@2", "book-a", *store)
    assert (again.code, again.out) == (0, "0 streams with 0 events are back in the store.\n")
    stranger = refold("archive", "restore", "old", "book-z", *store)
    assert (stranger.code, "neither archived nor in the store: 'book-z'" in stranger.err) == (2, True)


def test_an_environment_variable_names_the_archive(refold: Run, books: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refold("archive", "create", "old", "--store", books, "--older-than", "0s")
    monkeypatch.setenv("REFOLD_ARCHIVE", "old")
    assert refold("show", "book-a", "--store", books).code == 0
    assert refold("copy", "--from", books, "--to", "copy.db").code == 0
    monkeypatch.delenv("REFOLD_ARCHIVE")
    assert refold("tail", "--limit", "100", "--store", "copy.db").code == 0


def test_damage_ends_with_its_own_code(refold: Run, books: str, directory: Path) -> None:
    refold("archive", "create", "old", "--store", books, "--older-than", "0s")
    (file,) = (directory / "old").glob("*.parquet")
    file.unlink()
    found = refold("archive", "verify", "old", "--store", books, "--output", "json")
    assert (found.code, json.loads(found.out)["data"]) == (
        6,
        [{"where": file.name, "problem": f"{file.name} is not there"}],
    )
    assert refold("show", "book-a", "--store", books, "--archive", "old").code == 6


def test_a_mistyped_store_is_not_made(refold: Run, directory: Path) -> None:
    assert refold("archive", "create", "old", "--store", "nothing.db").code == 5
    assert not (directory / "nothing.db").exists()
    assert refold("archive", "create", "old", "--store", "memory://").code == 2


@pytest.mark.parametrize("age", ["soon", "30", "-1d", "9999999999999999w"])
def test_what_is_no_age_is_told(refold: Run, age: str) -> None:
    told = refold("archive", "create", "old", "--store", "shop.db", f"--older-than={age}")
    assert (told.code, "is no span of time: write 90d, 12h, or 0s." in told.err) == (2, True)
