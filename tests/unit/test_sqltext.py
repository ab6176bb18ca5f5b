"""SQL is read as databases read it: the names that a schema creates are found, and the same SQL works under other names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import Any

import apsw
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.sql_cases import CASES, Case

from refold.backends.postgres.named import numbered
from refold.errors import UsageError
from refold.projection import Statement, sql
from refold.sqltext import (
    ambiguous,
    created,
    creations,
    folded,
    named,
    named_but_for_indexes,
    renamed,
    tokens,
    touches_transaction,
)
from refold.testing.postgres import PostgresServer

SUFFIX = "__2"
PIECES = [
    *("sold", "Sold", '"sold"', '"a""b"', "[sold]", "[sold items]", "`sold`", "größe", "a$b", "x1", "e", "U", "\xa0"),
    *(
        "'sold'",
        "'it''s'",
        r"E'\''",
        "x'00'",
        "U&'!'",
        "'",
        '"',
        "`",
        "[",
        "]",
        "$$",
        "$a$",
        "$1",
        "$sold",
        "@sold",
        "\\",
    ),
    *(
        "--",
        "/*",
        "*/",
        "\n",
        " ",
        "\t",
        ":sold",
        "::",
        ":",
        "1.5",
        "0x1F",
        "1..3",
        "=",
        "<@",
        "-",
        "/",
        "*",
        ";",
        "%",
        "\x00",
    ),
    *("create", "table", "index", "view", "as", "constraint", "unique", "if not exists", "begin", ".", ",", "(", ")"),
    *("nextval('sold')", "'sold'::regclass"),
]
texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text()


# What the databases say ------------------------------------------------------


def rows_of(run: Any, case: Case, *suffixes: str) -> list[list[Sequence[Any]]]:
    """What each build reads, if they are filled in turns; no suffix is the plain text."""
    names = created(case.schema)

    def run_all(texts: Sequence[str | Statement]) -> list[list[Sequence[Any]]]:
        found: list[list[Sequence[Any]]] = [[] for _ in suffixes]
        for one in texts:
            statement = sql(one) if isinstance(one, str) else one
            for suffix, rows in zip(suffixes, found, strict=True):
                text = renamed(statement.text, names, suffix) if suffix else statement.text
                rows.extend(run(Statement(text, statement.params)))
        return found

    run_all([case.schema])
    changed = run_all(case.statements)
    read = run_all(case.reads)
    assert all(read[0]), "a case that reads nothing shows nothing"
    return [one + other for one, other in zip(changed, read, strict=True)]


def on_sqlite(case: Case, *suffixes: str) -> list[list[Sequence[Any]]]:
    with closing(apsw.Connection(":memory:")) as db:
        return rows_of(lambda statement: list(db.execute(statement.text, dict(statement.params))), case, *suffixes)


def on_postgres(url: str, case: Case, *suffixes: str) -> list[list[Sequence[Any]]]:
    with psycopg.connect(url) as db:

        def run(statement: Statement) -> list[Sequence[Any]]:
            text, values = numbered(statement)
            cursor = db.execute(text.encode(), values or None)
            return list(cursor.fetchall()) if cursor.description else []

        found = rows_of(run, case, *suffixes)
        db.rollback()
        return found


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> Iterator[str]:
    url = postgres.new_database()
    yield url
    postgres.drop(url)


@pytest.mark.parametrize("case", [case for case in CASES if "sqlite" in case.engines], ids=lambda case: case.name)
def test_two_builds_side_by_side_in_sqlite_read_what_one_alone_reads(case: Case) -> None:
    [alone] = on_sqlite(case, "")
    assert on_sqlite(case, "", SUFFIX, "_x") == [alone] * 3


@pytest.mark.parametrize("case", [case for case in CASES if "postgresql" in case.engines], ids=lambda case: case.name)
def test_two_builds_side_by_side_in_postgresql_read_what_one_alone_reads(case: Case, url: str) -> None:
    [alone] = on_postgres(url, case, "")
    assert on_postgres(url, case, "", SUFFIX, "_x") == [alone] * 3


@pytest.mark.parametrize("case", [case for case in CASES if "sqlite" in case.engines], ids=lambda case: case.name)
def test_what_is_created_is_what_sqlite_then_has(case: Case) -> None:
    with closing(apsw.Connection(":memory:")) as db:
        db.execute(case.schema)
        made = db.execute(
            "select name from (select * from sqlite_master union all select * from sqlite_temp_master)"
            " where sql is not null and name not like 'found\\_%' escape '\\'"  # FTS5's own
        )
        assert sorted(map(folded, created(case.schema))) == sorted(folded(str(name)) for (name,) in made)


@pytest.mark.parametrize("case", [case for case in CASES if "postgresql" in case.engines], ids=lambda case: case.name)
def test_what_is_created_can_be_renamed_in_postgresql_as_what_it_is(case: Case, url: str) -> None:
    with psycopg.connect(url) as db:
        db.execute(case.schema.encode())
        for kind, name in creations(case.schema):
            quoted, other = (f'"{each.replace(chr(34), chr(34) * 2)}"' for each in (name, f"{name}{SUFFIX}"))
            if kind != "trigger":
                kept = "index" if kind == "constraint" else kind
                db.execute(f"alter {kept} {quoted} rename to {other}".encode())
        db.rollback()


# What is created -------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        ("", []),
        ("create table sold (sku text)", [("table", "sold")]),
        ("CREATE UNLOGGED TABLE IF NOT EXISTS Sold(sku text)", [("table", "sold")]),
        ("create global temporary table t (a int); create temp table u (a int)", [("table", "t"), ("table", "u")]),
        ('create table "So""ld" (a int)', [("table", 'So"ld')]),
        ("create table [so ld] (a int); create table `x` (a int)", [("table", "so ld"), ("table", "x")]),
        ("create index on sold (sku); create index concurrently on sold (qty)", []),
        ('create index "on" on sold (sku)', [("index", "on")]),
        ("create unique index concurrently if not exists i on sold (sku)", [("index", "i")]),
        ("create or replace temp view v as select 1", [("view", "v")]),
        ("create materialized view m as select 1", [("materialized view", "m")]),
        ("create recursive view r (i) as select 1", [("view", "r")]),
        ("create virtual table f using fts5(body)", [("table", "f")]),
        ("create constraint trigger c after insert on sold execute function f()", [("trigger", "c")]),
        (
            "create sequence s; create type t as enum ('a'); create domain d as int",
            [("sequence", "s"), ("type", "t"), ("domain", "d")],
        ),
        (
            "create function f() returns int as $$ select 1 $$; create procedure p() as ''",
            [("function", "f"), ("procedure", "p")],
        ),
        ("create function f(a int) ...; create function f(a text) ...", [("function", "f")]),
        ("do $x$ begin create table inner_one (a int); end $x$", [("table", "inner_one")]),
        ("-- create table a (x int)\n/* create table b */ select 'create table c'", []),
        (
            "create table t (a int constraint one unique, constraint two check (a > 0))",
            [("table", "t"), ("constraint", "one")],
        ),
        (
            "alter table t add constraint k primary key (a), add constraint f foreign key (a) references u",
            [("constraint", "k")],
        ),
        ("create table ÉTÉ (a int)", [("table", "ÉtÉ")]),
        ("create table `a``b` (a int); alter table t drop constraint", [("table", "a`b")]),
        ("alter table t drop constraint unique", []),
        ("create", []),
        ("create table", []),
        ("create schema reports; create extension hstore; grant create on schema x to y", []),
    ],
)
def test_what_a_schema_creates_is_found_in_order(schema: str, found: list[tuple[str, str]]) -> None:
    assert creations(schema) == tuple(found)
    assert created(schema) == tuple(dict.fromkeys(name for _, name in found))


@pytest.mark.parametrize(
    "schema", ["create table reports.sold (sku text)", 'create index if not exists "reports" . sold on x (a)']
)
def test_a_name_with_its_place_in_front_is_refused_with_the_way_out(schema: str) -> None:
    with pytest.raises(
        UsageError, match=r'"?reports"?\.sold: it names its place.*Write it without \'"?reports"?\' in front'
    ):
        created(schema)


def test_a_name_in_single_quotes_is_refused_with_the_way_out() -> None:
    with pytest.raises(UsageError, match="create table 'sold': a name in single quotes is a string"):
        created("create table 'sold' (sku text)")


# Under other names -----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (
            "select sold.qty, unsold, sold_by from public.SOLD",
            "select sold__2.qty, unsold, sold_by from public.SOLD__2",
        ),
        ("\"Sold\" 'sold' `sold` [sold] :sold @sold $sold", "\"Sold__2\" 'sold' `sold__2` [sold__2] :sold @sold $sold"),
        ("y::sold, a:sold, x'00' || e'sold' || x", "y::sold__2, a:sold, x'00' || e'sold' || x__2"),
        ("do $$insert into sold$$", "do $$insert into sold__2$$"),
        ("do $sold$insert into sold$sold$", "do $sold$insert into sold__2$sold$"),
        ("$$ sold 'sold' $q$ sold $q$ $$ $1", "$$ sold__2 'sold' $q$ sold__2 $q$ $$ $1"),
        ("nextval('sold') NEXTVAL('Sold') lower('sold')", "nextval('sold__2') NEXTVAL('Sold__2') lower('sold')"),
        (
            "'sold' :: regclass, 'sold'::text, 'it''sold'::regclass",
            "'sold__2' :: regclass, 'sold'::text, 'it''sold'::regclass",
        ),
        ("array[sold.qty] <@sold.all - x@sold", "array[sold__2.qty] <@sold__2.all - x__2@sold"),
        ("/* a /* sold */ sold */ sold", "/* a /* sold */ sold */ sold__2"),
        ("/* sold /* sold */ sold -- sold\n sold", "/* sold /* sold */ sold__2 -- sold\n sold__2"),
        ("sold /* sold", "sold__2 /* sold"),
        ("`sold``x`, `x`", "`sold``x`, `x__2`"),
    ],
)
def test_names_get_the_suffix_wherever_they_are_names(text: str, other: str) -> None:
    assert renamed(text, ["sold", "x"], SUFFIX) == other


def test_a_name_too_long_for_postgresql_to_tell_from_the_one_without_the_suffix_is_refused() -> None:
    assert renamed("ä" * 30, ["ä" * 30], SUFFIX) == "ä" * 30 + SUFFIX
    with pytest.raises(UsageError, match=r"has 65 bytes, and PostgreSQL keeps 63\. Give it a shorter one"):
        renamed("select 1", ["ä" * 31], SUFFIX)


@given(texts)
def test_of_any_text_it_is_known_what_it_creates_or_said_why_not(text: str) -> None:
    with suppress(UsageError):
        assert set(ambiguous(text)) <= set(created(text))


@given(texts)
def test_tokens_joined_are_the_text(text: str) -> None:
    assert "".join(token.text for token in tokens(text)) == text


@given(texts)
def test_without_names_a_text_stays_as_it_is(text: str) -> None:
    assert renamed(text, [], SUFFIX) == text


@given(texts, st.sampled_from(["sold", "größe", "a$b", "sold items"]))
def test_names_are_renamed_one_by_one_as_all_at_once(text: str, name: str) -> None:
    rest = {"sold", "größe", "a$b", "sold items"} - {name}
    assert renamed(renamed(text, rest, SUFFIX), [name], SUFFIX) == renamed(text, {name, *rest}, SUFFIX)


@given(texts)
def test_renaming_adds_the_suffix_and_changes_nothing_else(text: str) -> None:
    assert renamed(text, ["sold", "a$b"], SUFFIX).replace(SUFFIX, "") == text


@given(st.sampled_from(CASES), st.sampled_from(["__2", "__15"]))
def test_a_renamed_schema_creates_the_renamed_names(case: Case, suffix: str) -> None:
    names = created(case.schema)
    assert created(renamed(case.schema, names, suffix)) == tuple(name + suffix for name in names)


def test_a_reserved_word_is_no_name_unless_it_is_quoted() -> None:
    text = 'select * from "order" order by "order".sku'
    assert renamed(text, ["order"], SUFFIX) == 'select * from "order__2" order by "order__2".sku'
    assert named(text) == {"order", "by", "sku"}


def test_what_is_named_is_found_wherever_names_stand() -> None:
    text = "select :sold, 'unsold' /* never */ from [Sold Items], x.\"A\" do $$ begin delete from paid; end $$"
    assert named(text) == {"sold items", "x", "a", "do", "begin", "delete", "paid", "end"}


def test_what_indexes_name_can_be_left_out() -> None:
    schema = (
        "create index i on sold (a); create UNIQUE index if not exists j on more (b); create view v as table index_of"
    )
    assert named_but_for_indexes(schema) == {"view", "v", "index_of"}


# What could be two things ----------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    [
        "create table sold (sold integer)",
        "create table sold (sku text, qty numeric(10, 2), SOLD integer)",
        'create table if not exists sold (sku text check (sku in (1, 2)), "Sold" integer)',
        "create table sold (a int default array[1, 2], sold int)",
        "create table other (sold int); create index sold on other (x)",
        "create view sold (sku, sold) as select 1, 2",
        "create table sold (a int); create view v as select sum(a) as sold from sold",
        "create table sold (a int); create materialized view v as (select a, (a + 1) as sold from sold)",
        "create virtual table sold using fts5(body, sold)",
        "create type pair as (sold int, b int); create table sold (a int)",
    ],
)
def test_a_name_that_is_a_column_as_well_is_told(schema: str) -> None:
    assert ambiguous(schema) == ("sold",)


@pytest.mark.parametrize(
    "schema",
    [
        "create table sold (sku text, qty int references sold (sku), check (sold.qty > 0), check ((1, qty) > (2, sold.qty)))",
        "create table sold (a int); create table more (b int) inherits (sold); create index i on sold (a)",
        "create type sold as enum ('sold'); create table x (is_sold sold, b text default cast('sold' as sold))",
        "create table sold (a int); create view v as select cast(a as sold), f(sold), b, sold.a from sold",
        "create type sold as (a int); create function f(sold) returns int as $$ select 1 $$; create domain d as sold",
        "create table sold (a int); create table copied as (select f(sold.a), sold.a from sold)",
        "create table other (unsold int, sold_at int); create table sold ()",
        "create table sold (a int check (sold.a in (1, 2), sold is not null))",
        "create table sold",
    ],
)
def test_a_name_that_is_no_column_is_not_told(schema: str) -> None:
    assert ambiguous(schema) == ()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nothing_is_told_of_schemas_that_can_be_renamed(case: Case) -> None:
    assert ambiguous(case.schema) == ()


# Statements for psycopg ------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "commit",
        " /* x */ Begin",
        "-- x\nset role x",
        "select 1; rollback",
        r"select E'\''; commit; --'",
        "select 1;;end;",
    ],
)
def test_what_begins_or_ends_a_transaction_is_found(text: str) -> None:
    assert touches_transaction(text)
    with pytest.raises(UsageError, match="may change its own tables only, and no transaction"):
        numbered(sql(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "update t set a = 1",
        "select ';commit'",
        "select 1; -- commit\n",
        'select "; commit"',
        "$$; commit $$",
        "beginning",
        "a; sets",
    ],
)
def test_words_of_transactions_elsewhere_are_none(text: str) -> None:
    assert not touches_transaction(text)


def test_parameters_become_those_of_psycopg_and_nothing_else_does() -> None:
    text = "select :a::text, ':a', \":a\", $$ :a $$, 7 % :b -- :a, 100 %\n/* :a */ from x where y like '%'"
    ours = "select %(a)s::text, ':a', \":a\", $$ :a $$, 7 %% %(b)s -- :a, 100 %%\n/* :a */ from x where y like '%%'"
    assert numbered(sql(text, a=1, b=2)) == (ours, {"a": 1, "b": 2})
    assert numbered(sql(text)) == (text, ())
