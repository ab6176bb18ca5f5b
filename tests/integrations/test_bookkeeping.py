"""Refold's tables in a database of the application's are those of a store, and its SQL means there what it means here."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, inspect
from tests.integrations.shop import engine_at, mapped_shop

from refold import Store
from refold.integrations.bookkeeping import formatted, single
from refold.integrations.sqlalchemy import SessionTarget

TABLES = ["applied", "builds", "dead_letters", "partitions", "runners"]


def shape(engine: Engine, tables: list[str], schema: str | None = None) -> dict[str, object]:
    """Columns with their types, keys and indexes."""
    found = inspect(engine)
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(table, schema)],
            found.get_pk_constraint(table, schema)["constrained_columns"],
            sorted((i["column_names"], bool(i["unique"])) for i in found.get_indexes(table, schema)),
            len(found.get_check_constraints(table, schema)),
        )
        for name, table in zip(TABLES, tables, strict=True)
    }


def test_tables_are_shaped_as_those_of_a_store(tmp_path: Path, url: str, engine: Engine, store: Store) -> None:
    store.catch_up(mapped_shop(), into=SessionTarget(engine))
    ours = [f"refold_{name}" for name in TABLES]
    if url.startswith("sqlite"):
        beside = create_engine(f"sqlite:///{tmp_path}/store.db")
        wanted = shape(beside, ours)
        beside.dispose()
    else:
        with Store.open(url):
            wanted = shape(engine, TABLES, "refold")
    assert shape(engine, ours) == wanted


def test_a_store_and_an_orm_may_share_a_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/both.db"
    with Store.open(url) as store:
        engine = engine_at(url)
        assert store.catch_up(mapped_shop(), into=SessionTarget(engine)) == 0
        assert [status.name for status in store.projections()] == ["shop"]
        engine.dispose()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("select :a, ':b', 7 % 2, c::text -- :d", "select %(a)s, ':b', 7 %% 2, c::text -- :d"),
        ("x like '50%' and y = :y", "x like '50%%' and y = %(y)s"),
    ],
)
def test_parameters_are_written_as_drivers_want_them(text: str, wanted: str) -> None:
    assert formatted(text) == wanted


@pytest.mark.parametrize(
    "parts",
    [
        ["delete from a;", "delete from b;"],
        ["create trigger t after insert on a begin delete from b; delete from c; end;", "select 1;"],
        ["insert into a values (';');", "select ';' /* ; */ ;", "select 2;"],
    ],
)
def test_several_statements_are_told_apart(parts: list[str]) -> None:
    assert list(single("".join(parts))) == list(single("".join(parts).removesuffix(";"))) == parts
