"""The tables of a projection under the names of one build: which SQL is about them, and which cannot be told."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from refold.errors import UsageError
from refold.flows.projections.naming import near, renamed_statement
from refold.projection import Projection, ask, sql
from refold.tables import Table


@dataclass(frozen=True)
class Row:
    """A row."""

    id: str
    Sums: int = 0
    pots: int = 0


pots, jars = Table("pots", Row, key="id"), Table("jars", Row, key="id")


def test_sql_is_about_the_tables_of_its_build_whoever_makes_them() -> None:
    projection = Projection("jars", tables=[jars], schema="create table counted (n integer)")
    statement = sql("insert into counted select count(*) from Jars where id = :jars", jars="a")
    assert renamed_statement(statement, projection, "") is statement
    assert renamed_statement(statement, projection, "__2") == sql(
        "insert into counted__2 select count(*) from Jars__2 where id = :jars", jars="a"
    )
    assert renamed_statement(ask("select id from jars"), projection, "__2") == ask("select id from jars__2")


@pytest.mark.parametrize(
    ("schema", "text", "name", "of"),
    [
        ("", "update pots set pots = 1", "pots", "pots"),
        ("", "select j.id from jars j, pots", "pots", "pots"),
        ("create table sums (id text)", "insert into sums select id from jars", "sums", "jars"),
        ("create table more (POTS int)", 'insert into more ("pots") values (1)', "pots", "more"),
    ],
)
def test_a_table_that_cannot_be_told_from_a_column_is_refused_with_both(
    schema: str, text: str, name: str, of: str
) -> None:
    projection = Projection("pots", tables=[pots, jars], schema=schema)
    with pytest.raises(UsageError, match=f"'{name}' may be the projection's table or the column of '{of}': {text[:6]}"):
        renamed_statement(sql(text), projection, "__2")
    assert renamed_statement(sql("delete from others"), projection, "__2") == sql("delete from others")


def test_a_column_of_a_table_that_the_sql_does_not_name_is_not_meant() -> None:
    projection = Projection("jars", tables=[jars], schema="create table sums (n integer)")
    assert renamed_statement(sql("insert into sums values (1)"), projection, "__2") == sql(
        "insert into sums__2 values (1)"
    )


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        ("", {"jars"}),
        ("create table sums (n integer); create index jars_by_sums on jars (sums)", {"jars"}),
        ("create table Sums (n integer); create view rich as select id from Jars", {"jars", "sums", "rich"}),
        ("create table more (id text references jars on delete cascade)", {"jars", "more"}),
    ],
)
def test_what_the_schema_makes_of_a_table_may_lead_to_its_rows_and_an_index_does_not(
    schema: str, names: set[str]
) -> None:
    assert near(schema, (jars,)) == names
    assert near(schema, ()) == frozenset()
