"""Read models as applications write them: a schema, the statements that fill it, and what is read of them."""

# ruff: noqa: S608 - these texts are joined of constants

from __future__ import annotations

from typing import NamedTuple

from refold.projection import Statement, sql

BOTH = ("sqlite", "postgresql")


class Case(NamedTuple):
    """`engines`: those whose dialect it is written in."""

    name: str
    schema: str
    statements: tuple[str | Statement, ...]
    reads: tuple[str, ...]
    engines: tuple[str, ...] = BOTH


SOLD = "create table sold (sku text primary key, qty integer not null default 0);"
UPSERT = """
    insert into sold (sku, qty) values (:sku, :qty)
    on conflict (sku) do update set qty = sold.qty + excluded.qty"""

CASES = [
    Case(
        "upserts with parameters, one of them called as the table",
        SOLD,
        (
            sql(UPSERT, sku="sold", qty=2),
            sql(UPSERT, sku="sold", qty=3),
            sql("insert into sold (sku) values (:sold)", sold="tea"),
        ),
        ("select sku, qty from sold order by sku",),
    ),
    Case(
        "strings, comments and percent signs",
        SOLD + "-- the table sold; it's \"sold\"\n/* sold 'til /* no more */",
        (
            "insert into sold values ('sold', 7 % 4), ('it''s sold', 2) -- into sold",
            "/* update sold */ update sold set qty = qty + 1 where sku like '%sold' and sku <> '/* sold'",
        ),
        ("select sku, qty from sold order by sku",),
        ("sqlite",),
    ),
    Case(
        "comments in comments, and strings with escapes",
        SOLD + "/* sold /* sold ' */ ' sold */",
        (r"insert into sold values (E'sold\'s sold', 1), (U&'t\0065a', 2), ('sold'::text, 3::bigint)",),
        ("select sku, qty from sold order by sku",),
        ("postgresql",),
    ),
    Case(
        "joins, aliases, subqueries and common table expressions",
        SOLD + "create table prices (sku text primary key, cents integer);",
        (
            "insert into sold values ('tea', 2), ('cup', 1), ('pot', 0)",
            "insert into prices select sku, 100 * length(sku) + qty from sold",
            "delete from sold where not exists (select 1 from prices where prices.sku = sold.sku and sold.qty > 0)",
            "update prices set cents = cents + (select coalesce(sum(s.qty), 0) from sold as s where s.sku = prices.sku)",
        ),
        (
            "select s.sku, p.cents from sold s join prices p on p.sku = s.sku order by 1",
            "with known as (select sku from sold) select sku, cents from prices where sku not in (select sku from known)",
            "with recursive n(i) as (select 1 union all select i + 1 from n, sold where i < sold.qty) select i from n",
        ),
    ),
    Case(
        "update from, and returning",
        SOLD + "create table moved (sku text, qty integer);",
        (
            "insert into sold values ('tea', 2), ('cup', 1) returning sold.sku, sold.qty",
            "insert into moved values ('tea', 5)",
            "update sold set qty = sold.qty + moved.qty from moved where moved.sku = sold.sku returning sold.qty",
            "delete from moved where qty in (select qty - 2 from sold) returning moved.sku",
        ),
        ("select sku, qty from sold order by sku", "select * from moved"),
    ),
    Case(
        "views on views, and indexes",
        SOLD + "create index sold_by_qty on sold (qty); create unique index if not exists sold_once on sold (sku, qty);"
        "create view some_sold as select sku, qty from sold where qty > 0;"
        "create view best(sku) as select sku from some_sold where qty = (select max(qty) from some_sold)",
        ("insert into sold values ('tea', 2), ('cup', 1), ('pot', 0)",),
        ("select count(*) from some_sold", "select * from best"),
    ),
    Case(
        "names in quotes and in capitals",
        'create table "Sold Items" ("Sku" text, qty integer); create table Order_Lines ("order" text);'
        'create table "a""b" (x int);',
        (
            "INSERT INTO \"Sold Items\" VALUES ('tea', 1)",
            'update "Sold Items" set qty = "Sold Items".qty + 1 where "Sold Items"."Sku" = \'tea\'',
            'insert into ORDER_lines select "Sku" || \'a"b\' from "Sold Items"',
            "insert into \"order_lines\" values ('cup')",
            'insert into "a""b" values (4)',
        ),
        ('select * from "Sold Items"', 'select "order" from order_lines order by 1', 'select "a""b".x from "a""b"'),
    ),
    Case(
        "names of other alphabets, and with a dollar",
        "create table größe (ä integer); create table a$b (x integer);",
        ("insert into größe values (1)", "insert into a$b select größe.ä from größe"),
        ("select ä from größe", "select a$b.x from a$b"),
    ),
    Case(
        "SQLite's other quotes, and capitals in quotes",
        "create table [sold items] ([sku] text, `qty` integer); create table `Sold` (n integer)",
        (
            "insert into [sold items] values ('tea', 1)",
            "update `sold items` set qty = [sold items].qty + 1",
            'insert into "sold" select qty from "sold items"',
            "insert into SOLD select qty from [Sold Items]",
        ),
        ("select sku, qty from [sold items]", "select n from sold"),
        ("sqlite",),
    ),
    Case(
        "JSON",
        "create table docs (id text primary key, body text)",
        (
            """insert into docs values ('docs', '{"docs": {"sold": 1, "a": [1, 2]}}')""",
            "update docs set body = json_set(body, '$.docs.sold', json_extract(docs.body, '$.docs.sold') + 1)",
        ),
        (
            "select body ->> '$.docs.sold', body -> 'docs' ->> 'a' from docs",
            "select value from docs, json_each(body, '$.docs.a')",
        ),
        ("sqlite",),
    ),
    Case(
        "JSON and arrays",
        "create table docs (id text primary key, body jsonb, tags text[])",
        (
            """insert into docs values ('docs', '{"docs": {"sold": 1}}', array['docs', 'b'])""",
            "update docs set body = jsonb_set(body, '{docs,sold}', '2'), tags[2] = docs.tags[1]",
            "update docs set tags = array[docs.tags[1], docs.id] || docs.tags[1:1] where array['docs'] <@docs.tags",
        ),
        (
            "select body #>> '{docs,sold}', body -> 'docs' ->> 'sold', array_to_string(tags, ',') from docs",
            "select (docs).id, to_jsonb(docs) ->> 'id' from docs",
            "select count(*) from unnest(array[(select id from docs)]) as tag where tag in (select unnest(docs.tags) from docs)",
        ),
        ("postgresql",),
    ),
    Case(
        "triggers",
        SOLD + "create table log (line text);"
        "create trigger sold_is_logged after update of qty on sold when new.qty <> old.qty begin"
        "  insert into log select 'sold ' || sold.qty from sold where sold.sku = new.sku; update log set line = line || '!'; end;"
        "create temp trigger no_pots before insert on sold begin"
        "  select raise(ignore) where new.sku = 'pot'; end;",
        (sql(UPSERT, sku="tea", qty=2), sql(UPSERT, sku="tea", qty=3), sql(UPSERT, sku="pot", qty=3)),
        ("select * from log", "select * from sold"),
        ("sqlite",),
    ),
    Case(
        "full-text search and a table without a list",
        "create table notes (id integer primary key, body text);"
        "create virtual table found using fts5(body, content=notes, content_rowid=id);"
        "create table kept as select id from notes",
        (
            "insert into notes values (1, 'tea and notes'), (2, 'cups')",
            "insert into found (found) values ('rebuild')",
            "insert into kept select rowid from found where found match 'notes'",
        ),
        (
            "select * from kept",
            "select highlight(found, 0, '<', '>') from found where found match 'tea' order by found.rank",
        ),
        ("sqlite",),
    ),
    Case(
        "triggers with functions",
        SOLD + "create table log (line text);"
        "create function log_sold() returns trigger language plpgsql as $body$ begin"
        "  insert into log select 'sold ' || sold.qty from sold where sku = new.sku;"
        "  execute $q$ update log set line = line || '!' $q$;"
        "  return new; end $body$;"
        "create or replace trigger sold_is_logged after update on sold for each row execute function log_sold()",
        (sql(UPSERT, sku="tea", qty=2), sql(UPSERT, sku="tea", qty=3)),
        ("select * from log", "select * from sold"),
        ("postgresql",),
    ),
    Case(
        "sequences, types, domains, functions and keys",
        "create sequence if not exists line_no start 5; create domain amount as integer;"
        "create type mood as enum ('mood', 'low'); create type pair as (a integer, b mood);"
        "create unlogged table lines (no bigint default nextval('line_no'), felt mood, two pair,"
        "  n amount constraint n_is_once unique, constraint lines_key primary key (no));"
        "create index on lines (n); create table pairs of pair;"
        "create function doubled(x amount) returns amount language sql as 'select x * 2';"
        "create function total() returns bigint language sql as $$ select sum(no) from lines $$",
        (
            "insert into lines (felt, two, n) values ('mood', row(1, 'low')::pair, doubled(4))",
            "insert into lines values (default, 'low', null, 8) on conflict on constraint n_is_once do nothing",
            "insert into lines values (nextval('line_no'), cast('low' as mood), (2, 'mood'), 9)",
            "insert into pairs select (lines.two).a, (lines.two).b from lines where lines.two is not null",
            "select setval('line_no', currval('line_no') + 10), 'lines'::regclass::oid > 0",
            "insert into lines (n) select doubled(n) from lines where n = 9",
        ),
        (
            "select no, felt::text, (two).a, n, total() from lines order by no",
            "select a, b::text from pairs order by a",
        ),
        ("postgresql",),
    ),
    Case(
        "materialized views, merge, and lateral joins",
        SOLD + "create materialized view if not exists totals as select sum(qty) as qty from sold with no data;"
        "create recursive view steps (i) as select 1 union all select i + 1 from steps where i < 3",
        (
            sql(UPSERT, sku="tea", qty=2),
            """merge into sold using (values ('tea', 1), ('cup', 4)) as new (sku, qty) on new.sku = sold.sku
            when matched then update set qty = sold.qty + new.qty when not matched then insert values (new.sku, new.qty)""",
            "refresh materialized view totals",
            "with gone as (delete from only sold where qty > 3 returning sold.*) insert into sold select sku || 's', 5 from gone",
        ),
        (
            "select qty from totals",
            "select sku, qty, more.i from sold cross join lateral (select i from steps where i < sold.qty) as more order by 1, 3",
        ),
        ("postgresql",),
    ),
]
