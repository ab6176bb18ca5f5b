"""`refold bench` measures beside a store, never in it, and leaves nothing behind."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from refold import Store, event
from refold.cli import benching
from refold.cli.exits import Exit
from refold.cli.program import program
from refold.cli.scratch import Scratch, scratch
from refold.errors import StoreCorrupt
from refold.secrecy import shown
from refold.testing.postgres import PostgresServer


@event("noted")
class Noted:
    text: str


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/shop.db?busy_timeout=9"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    made = server.new_database()
    yield f"{made}&schema=shop"
    server.drop(made)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refold.cli.bench._QUICK", 0.0)
    monkeypatch.setattr(benching, "LONG", 10)


def bench(url: str, *more: str) -> Result:
    return CliRunner().invoke(program, ["bench", "--store", url, "--quick", *more])


def left(url: str, tmp_path: Path) -> list[str]:
    """Everything that can be there beside a store."""
    if url.startswith("sqlite"):
        return sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("shop.db-"))  # of a reader
    with psycopg.connect(url.partition("&schema")[0]) as connection:
        schemas = connection.execute(
            "select nspname from pg_namespace where nspname !~ '^(pg_|information_)'"
        ).fetchall()
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
    return sorted(name for (name,) in schemas + tables)


def test_a_new_store_is_measured_and_nothing_is_left(url: str, tmp_path: Path) -> None:
    before = left(url, tmp_path)
    result = bench(url, "--output", "json")
    told: dict[str, Any] = json.loads(result.output)
    assert (result.exit_code, left(url, tmp_path)) == (Exit.OK, before)
    assert list(told) == ["store", "durability", "floor", "figures", "verdict"]
    assert told["durability"] == (
        "disk" if url.startswith("sqlite") else "best-effort"
    )  # as the server of the tests is
    assert told["floor"]["what"] == (
        "an fsync of 4 KiB on this disk" if url.startswith("sqlite") else "a round trip to this server"
    )
    assert [(each["what"], each["waits"]) for each in told["figures"]] == [
        ("append 1 event, 1 client", True), ("the same, 64 awaiting", True), ("append 100 events at once", True),
        ("a command, 1 client", True), ("load a stream of 10", False), ("read everything", False),
        ("project everything", False),
    ]  # fmt: skip
    assert all(0 < each["p50_ms"] <= each["p99_ms"] for each in (told["floor"], *told["figures"]))
    assert told["verdict"] == "all 278 events were read back, in order, and projected once"  # 2 + 64 + 200 + 2 + 10


def test_a_store_that_is_used_is_refused_unless_it_is_said(url: str, tmp_path: Path) -> None:
    with Store.open(url) as store:
        store.append("note-1", [Noted("hello")])
    before = left(url, tmp_path)
    refused = bench(url)
    assert (refused.exit_code, left(url, tmp_path)) == (Exit.REFUSED, before)
    assert f"{shown(url)} holds 1 events" in refused.output
    assert "--beside" in refused.output
    assert bench(url, "--beside").exit_code == Exit.OK
    assert left(url, tmp_path) == before
    with Store.open(url, events=[Noted]) as store:
        assert [each.data for each in store.read()] == [Noted("hello")]


def test_people_see_how_many_floors_an_append_takes(url: str) -> None:
    result = bench(url, "--output", "table")
    assert (result.exit_code, "floors each" in result.output, "64 awaiting" in result.output) == (Exit.OK, True, True)


def test_the_place_is_gone_even_after_an_error(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = left(url, tmp_path)

    def broken(place: Scratch, seconds: float) -> object:
        Store.open(place.url).close()
        raise StoreCorrupt("it is not all there")

    monkeypatch.setattr("refold.cli.bench.measured", broken)
    assert (bench(url).exit_code, left(url, tmp_path)) == (Exit.CORRUPT, before)


def test_what_waits_for_nothing_is_refused() -> None:
    for url in ("memory://", "sqlite:///:memory:"):
        assert bench(url).exit_code == Exit.USAGE


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    result = bench(f"sqlite:///{tmp_path}/nowhere/shop.db")
    assert (result.exit_code, "nowhere" in result.output) == (Exit.UNREACHABLE, True)


def test_an_event_that_is_lost_leaves_no_figures(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault: the last event that was acknowledged is not read back."""
    read = Store.read

    def forgetful(store: Store, *args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from [*read(store, *args, **kwargs)][:-1]

    monkeypatch.setattr(Store, "read", forgetful)
    with scratch(url) as place, pytest.raises(StoreCorrupt, match="of 278 events 277 were read and 278 projected"):
        benching.measured(place, 0.0)


def test_a_working_directory_of_any_name_is_measured_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "what?").mkdir()
    monkeypatch.chdir(tmp_path / "what?")
    make = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **given: str(Path(make(**given)).absolute()))  # as of Python 3.12
    with scratch("sqlite:///shop.db") as place, Store.open(place.url, events=[Noted]) as store:
        assert store.append("note-1", [Noted("a")]).version == 1
    assert [*Path().iterdir()] == []
