"""What forbids that events are changed: the triggers and their functions, as they were made and as they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from refold.backends.postgres.schema import MIGRATIONS
from refold.backends.postgres.session import Steady
from refold.ports import Damage

_MADE: Final[Mapping[str, tuple[str, int]]] = {
    "archived_events_go": ("remove_archived", 5),
    "archived_streams_are_back": ("forget_archived", 9),
    "archived_streams_are_facts": ("refuse", 34),
    "archived_streams_are_kept": ("keep_archived", 27),
    "archived_streams_are_whole": ("check_archived", 7),
    "archived_streams_do_not_grow": ("refuse_all_archived", 4),
    "archived_types_are_facts": ("refuse", 34),
    "archived_types_are_kept": ("keep_archived_types", 27),
    "events_are_facts": ("refuse", 50),
    "events_stay": ("refuse_removal", 11),
    "tags_are_facts": ("refuse", 58),
}
"""Each trigger, its function, and when it is called: the bits of `pg_trigger.tgtype`. None has a condition."""
_STANDING: Final = """
select t.tgname::text, p.proname::text, t.tgtype::integer, t.tgenabled in ('O', 'A') and t.tgqual is null, p.prosrc
from pg_trigger t join pg_proc p on p.oid = t.tgfoid
where t.tgrelid in ('{schema}.events'::regclass, '{schema}.event_tags'::regclass, '{schema}.archived'::regclass,
  '{schema}.archived_types'::regclass)"""
_FUNCTION: Final = re.compile(
    r"create (?:or replace )?function \{schema\}\.(\w+)\(\) returns trigger[^$]*\$\$(.*?)\$\$", re.DOTALL
)


async def damages(session: Steady, schema: str) -> list[Damage]:
    """Each trigger that is missing, does not fire, or does something else."""
    rows = await session.fetch(_STANDING.replace("{schema}", f'"{schema}"'))
    there = {name: (function, type, fires, body) for name, function, type, fires, body in rows}
    made = {name: (*how, True, _bodies(schema)[how[0]]) for name, how in _MADE.items()}
    return [
        Damage(
            None,
            f"the trigger {name} is {'not as it was made' if name in there else 'missing'}: events could be changed",
        )
        for name in made
        if there.get(name) != made[name]
    ]


@cache
def _bodies(schema: str) -> Mapping[str, str]:
    """What the functions of triggers do in a schema, the last migration having the last word."""
    return dict(_written(schema))


def _written(schema: str) -> Iterator[tuple[str, str]]:
    for migration in MIGRATIONS:
        text = files("refold.backends.postgres").joinpath("migrations", migration).read_text("utf-8")
        for name, body in _FUNCTION.findall(text):
            yield name, body.replace("{schema}", f'"{schema}"').replace("{name}", schema)
