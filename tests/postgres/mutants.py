"""Faults to plant in a store's append functions: made from the migration's own text, so that they stay one fault away from it."""

from __future__ import annotations

import re
from typing import Final

import psycopg

from refold.backends.postgres.location import PostgresLocation
from refold.backends.postgres.schema import migrations

FUNCTION: Final = r"(create (?:or replace )?function \S+?\.(append(?:_simple|_one)?)\(.*?end \$\$;)"
LOCK: Final = "perform pg_advisory_xact_lock(hashtextextended('refold refold', 0));"

# A sequence gives blocks in one piece, so that what an append is told is right but for the order of the commits.
_SEQUENCE: Final = """
create sequence {schema}.taken_places;
create function {schema}.taken(n bigint) returns bigint language plpgsql as $$
declare
  before bigint;
begin
  perform pg_advisory_lock(1);
  select case when is_called then last_value else 0 end into before from {schema}.taken_places;
  if n > 0 then
    perform setval('{schema}.taken_places', before + n);
  end if;
  perform pg_advisory_unlock(1);
  return before;
end $$;
"""
_FROM_THE_SEQUENCE: Final = """
    head := {schema}.taken((select coalesce(sum((w ->> 3)::integer - (w ->> 2)::integer + 1), 0)
      from json_array_elements(ask -> 'writes') w)::bigint);
    first := head + 1;"""

# Positions are given, and versions counted, one writer after another; but what was expected has been judged by then. The
# pause lets that show sooner.
_LOCKED_TO_WRITE: Final = """
    perform pg_sleep(0.003);
    perform pg_advisory_xact_lock(hashtextextended('refold refold', 0));
    head := coalesce((select max(e.position) from {schema}.events e), 0);
    first := head + 1;"""
_LOCKED_PAIRS: Final = """
  perform pg_advisory_xact_lock(hashtextextended(locked.name, 0)) from (
    select 'stream ' || s as name from unnest(streams_of) s
    union select 'stream ' || (c ->> 0) from json_array_elements(asks) a, json_array_elements(a -> 'streams') c
    union select 'pair ' || e.type || ' ' || tag
      from unnest(types, tags) e(type, tags), json_array_elements_text(e.tags::json) tag
    union select 'pair ' || type || ' ' || tag
      from json_array_elements(asks) a, json_array_elements(a -> 'queries') q, json_array_elements(q -> 1) i,
        json_array_elements_text(i -> 'types') type, json_array_elements_text(i -> 'tags') tag
    order by name) locked;"""


def without_the_lock(url: str) -> None:
    """Writers do not queue."""
    _replaced(url, (LOCK, "", 3))


def positions_from_a_sequence(url: str) -> None:
    """Positions come from a sequence, and nothing makes writers queue, so conditions are judged before others have committed."""
    _run(url, _SEQUENCE)
    _replaced(
        url,
        (LOCK, "", 1),
        (LOCK, "return;", 2),  # the other functions: nothing is usual, so all go through the general one
        ("first := head + 1;", _FROM_THE_SEQUENCE, 1),
    )


def checks_outside_the_lock(url: str) -> None:
    """What is expected is judged, and then the lock is taken."""
    _replaced(
        url,
        (LOCK, "", 1),
        (LOCK, "return;", 2),  # the other functions: nothing is usual, so all go through the general one
        ("first := head + 1;", _LOCKED_TO_WRITE, 1),
    )


def locks_of_types_and_tags(url: str) -> None:
    """Streams are locked, and each pair of a type and a tag that is written or asked for: a tag alone is no pair."""
    _replaced(
        url,
        (LOCK, _LOCKED_PAIRS, 1),
        (LOCK, "return;", 2),
        ("first := head + 1;", _LOCKED_TO_WRITE, 1),
    )


def ids_that_nobody_looks_at(url: str) -> None:
    """A repeat is not recognised."""
    _run(url, "alter table {schema}.events drop constraint events_id")
    known = "if exists (select from {schema}.events e where e.id = any "
    _replaced(
        url,
        (known + "(ids[lo:hi])) then", "if false then", 1),
        (known + "(append_simple.ids))", "if false", 1),
        ("if exists (select from {schema}.events e where e.id = append_one.id)", "if false", 1),
    )


def _replaced(url: str, *changes: tuple[str, str, int]) -> None:
    """Replace the functions by their own text with changes in it, each made so many times, from the front."""
    newest = dict[str, str]()
    for text, *_ in migrations(PostgresLocation.parse(url), 0):
        newest |= {name: function for function, name in re.findall(FUNCTION, text, re.DOTALL)}
    functions = "\n".join(newest.values()).replace("create function", "create or replace function")
    for old, new, times in changes:
        named = old.replace("{schema}", '"refold"')
        assert functions.count(named) >= times, f"the migration has changed, and this fault no longer fits: {named}"
        functions = functions.replace(named, new, times)
    _run(url, functions)


def _run(url: str, text: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(text.replace("{schema}", '"refold"').encode())
