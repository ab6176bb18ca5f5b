"""`refold migrate` says where a store stands, shows what it would run, and brings it to the newest format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw
import psycopg
import pytest
from click.testing import CliRunner

from refold import Store
from refold.backends.postgres.schema import FORMAT as FORMAT_OF_POSTGRESQL
from refold.backends.sqlite.connection import FORMAT
from refold.cli.program import program
from refold.testing.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/new.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database()
    yield url
    server.drop(url)


def refold(*arguments: str) -> tuple[int, Sequence[str]]:
    """The exit code and the lines of one command."""
    result = CliRunner().invoke(program, ["migrate", *arguments])
    return result.exit_code, result.output.splitlines()


def test_a_new_store_is_checked_shown_and_made(url: str, tmp_path: Path) -> None:
    assert refold("--store", url, "--check")[0] == 1
    assert list(tmp_path.iterdir()) == []

    code, sql = refold("--store", url, "--sql")
    assert code == 0
    assert any("create table" in line for line in sql)
    assert refold("--store", url, "--check")[0] == 1

    code, (line,) = refold("--store", url)
    newest = FORMAT if url.startswith("sqlite") else FORMAT_OF_POSTGRESQL
    assert (code, line.endswith(f"was made, of format {newest}.")) == (0, True)
    assert refold("--store", url, "--check")[0] == 0
    assert refold("--store", url, "--sql") == (0, [])
    with Store.open(f"{url}{'&' if '?' in url else '?'}mode=ro") as store:
        assert store.head() == 0


def test_the_sql_that_is_shown_makes_the_store(url: str) -> None:
    _, lines = refold("--store", url, "--sql")
    if url.startswith("sqlite"):
        apsw.Connection(":memory:").execute("\n".join(lines))
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("\n".join(lines).encode())
    with Store.open(url) as store:
        assert store.head() == 0
    assert refold("--store", url, "--check")[0] == 0


def test_a_store_of_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    Store.open(f"sqlite:///{tmp_path}/new.db").close()
    db = apsw.Connection(f"{tmp_path}/new.db")
    db.execute("pragma user_version = 99")
    db.close()
    code, (line,) = refold("--store", f"{tmp_path}/new.db")
    assert (code, f"has format 99, this Refold reads up to {FORMAT}" in line) == (5, True)


def test_what_has_no_format_says_so() -> None:
    code, (line,) = refold("--store", "memory://")
    assert (code, "has no format to migrate" in line) == (2, True)
