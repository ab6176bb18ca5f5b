"""G8: facts cannot be changed, and `verify` finds what was changed by whoever has the rights to.

Every statement that could change an event is tried on the file or the server itself, with every right there is. What is
done behind the triggers must be found by `verify`, as must bits that flip on the disk: rules of the log are broken, or digests
of events do not fit. What is cut off at the end leaves a log that could have been written so: that is found by comparing with a
backup, as `refold verify --restore` does.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import cast
from uuid import uuid4

import psycopg
import pytest
from tests.faults import flipping
from tests.faults.attacks import REFUSED, unguarded
from tests.faults.flipping import Flips
from tests.guarantees.telling import tell
from tests.nats.test_damage import asked, filled
from tests.postgres.attacks import ATTACKS, refusals, run

from refold import Store
from refold.archive.threaded import stepped
from refold.backends.postgres.backend import PostgresBackend
from refold.backends.sqlite import surveying
from refold.backup.sources import backend_at
from refold.flows.contents import Whole, damages, first_difference
from refold.messages import RawEvent
from refold.testing.postgres import PostgresServer

pytestmark = [pytest.mark.guarantee("G8")]


def problems(url: str) -> list[str]:
    """What `verify` finds."""
    with Store.open(url, events=[RawEvent]) as store:
        return [damage.problem for _, found in store.verify() for damage in found]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A SQLite store, closed."""
    flipping.build(tmp_path / "store.db")
    return tmp_path / "store.db"


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """A PostgreSQL store, closed."""
    url = postgres.new_database()
    flipping.build_at(url)
    yield url
    postgres.drop(url)


# Attacks that are refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("recursive", ["off", "on"])
def test_every_attack_on_a_sqlite_file_is_refused_and_changes_nothing(path: Path, recursive: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as tool:
        tool.execute(f"pragma recursive_triggers = {recursive}")
        before = list(tool.iterdump())
        for name, attack in REFUSED.items():
            with pytest.raises(sqlite3.IntegrityError, match="facts"):
                tool.execute(attack)
            assert list(tool.iterdump()) == before, name
    assert problems(f"sqlite:///{path}") == []
    tell("G8", "sqlite", attacks=len(REFUSED), refused=len(REFUSED), recursive_triggers=recursive)


def test_every_attack_on_a_postgres_database_is_refused_even_to_a_superuser(database: str) -> None:
    before = flipping.seen(database)
    assert refusals(database, ATTACKS) == dict.fromkeys(ATTACKS, "RestrictViolation")
    assert (flipping.seen(database), problems(database)) == (before, [])
    tell("G8", "postgresql", attacks=len(ATTACKS), refused=len(ATTACKS))


def test_every_way_to_delete_a_message_of_jetstream_is_refused(nats: str) -> None:
    name = f"d{uuid4().hex}"
    _, second, _ = filled(f"{nats}/{name}")
    config = asyncio.run(asked(nats, f"STREAM.INFO.{name}", {}))["config"]
    attacks = [
        (f"STREAM.MSG.DELETE.{name}", {"seq": second}),
        (f"STREAM.MSG.DELETE.{name}", {"seq": second, "no_erase": True}),
        (f"STREAM.PURGE.{name}", {}),
        (f"STREAM.PURGE.{name}", {"filter": f"refold.{name}.>"}),
        *((f"STREAM.UPDATE.{name}", config | {setting: False}) for setting in ("deny_delete", "deny_purge")),
    ]
    assert [subject for subject, body in attacks if "error" not in asyncio.run(asked(nats, subject, body))] == []
    assert problems(f"{nats}/{name}") == []
    tell("G8", "jetstream", attacks=len(attacks), refused=len(attacks))


# What is done with every right -------------------------------------------------------------------------

BEHIND = {
    "a-lost-event": "delete from events where position = 30",
    "a-lost-event-of-the-end-with-its-tags": (
        "delete from events where position >= 59; delete from event_tags where position >= 59"
    ),
    "swapped-data": (
        "update events set data = (select e.data from events e where e.position = 11 - events.position)"
        " where position in (5, 6)"
    ),
    "swapped-rows": (
        "update events set position = 1000 where position = 5; update events set position = 5 where position = 8;"
        " update events set position = 8 where position = 1000"
    ),
    "other-data": "update events set data = {bytes} where position = 7",
    "another-actor": "update events set actor = 'mallory' where position = 7",
    "another-time": "update events set recorded_at = recorded_at + 1 where position >= 7",
    "another-stream": "update events set stream = 'note-9', version = 1 where position = 60",
    "another-type": "update events set type = 'removed' where type = 'added'",
    "a-lost-tag": "delete from event_tags where position = 1",
}
"""What an owner does with the triggers out of the way, after which they are put back."""
ONLY_COMPARED = {"a-lost-event-of-the-end-with-its-tags"}
"""What leaves a log that could have been written so: a comparison with a backup finds it."""


def tampered_sqlite(path: Path, statements: str) -> None:
    with unguarded(path) as tool:
        tool.executescript(statements.replace("{bytes}", 'cast(\'{"text": "forged"}\' as blob)'))


def found(one: Whole, hurt: Whole) -> str:
    """How it is found that a store is not what it was."""
    if stepped(damages(hurt, silent)):
        return "verify"
    return "comparing" if stepped(first_difference(one, hurt, 60, silent)) is not None else "not at all"


def silent(*_: object) -> None: ...


def expected() -> dict[str, str]:
    return {name: "comparing" if name in ONLY_COMPARED else "verify" for name in BEHIND}


def test_what_is_done_behind_the_triggers_of_sqlite_is_found(path: Path, tmp_path: Path) -> None:
    told: dict[str, str] = {}
    for name, statements in BEHIND.items():
        hurt = tmp_path / f"{name}.db"
        shutil.copyfile(path, hurt)
        tampered_sqlite(hurt, statements)
        with backend_at(f"sqlite:///{path}") as one, backend_at(f"sqlite:///{hurt}") as other:
            told[name] = found(one, other)
    assert told == expected()
    tell("G8", "sqlite", tampered=len(told), by_verify=[*told.values()].count("verify"), missed=0)


def test_what_is_done_behind_the_triggers_of_postgres_is_found(database: str) -> None:
    told: dict[str, str] = {}
    with backend_at(database) as one, psycopg.connect(database) as connection:
        assert isinstance(one, PostgresBackend)
        for name, statements in BEHIND.items():
            connection.execute(behind(statements))
            told[name] = found(one, cast("Whole", one.joined(connection)))
            connection.rollback()
    assert told == expected()
    tell("G8", "postgresql", tampered=len(told), by_verify=[*told.values()].count("verify"), missed=0)


def behind(statements: str) -> bytes:
    """The same on PostgreSQL, with the triggers out of the way for that long."""
    text = statements.replace("{bytes}", '\'{"text": "forged"}\'')
    switch = "alter table events {0} trigger all; alter table event_tags {0} trigger all"
    return f"set local search_path to refold; {switch.format('disable')}; {text}; {switch.format('enable')}".encode()


TOOTHLESS = {
    "events_are_facts": "alter table refold.events disable trigger events_are_facts",
    "tags_are_facts": (
        "drop trigger tags_are_facts on refold.event_tags; create trigger tags_are_facts before truncate on"
        " refold.event_tags for each statement execute function refold.refuse()"
    ),
    "archived_types_are_facts": (
        "drop trigger archived_types_are_facts on refold.archived_types; create trigger archived_types_are_facts before"
        " truncate on refold.archived_types for each statement when (false) execute function refold.refuse()"
    ),
    "events_stay": (
        "create or replace function refold.refuse_removal() returns trigger language plpgsql as"
        " $$ begin return old; end $$"
    ),
}


@pytest.mark.parametrize("trigger", TOOTHLESS)
def test_a_postgres_trigger_that_was_made_toothless_is_found(database: str, trigger: str) -> None:
    run(database, TOOTHLESS[trigger])
    assert problems(database) == [f"the trigger {trigger} is not as it was made: events could be changed"]


# Bits that flip ----------------------------------------------------------------------------------------


def flipped(folder: Path, count: int) -> Sequence[str]:
    """What is wrong with what is told of a SQLite file after so many flips, each of one bit in a whole file."""
    flips = Flips(folder, secrets.randbelow(1 << 32))
    flips.flip(count)
    told = {name: flips.told[name] for name in ("found", "unseen")}
    tell("G8", "sqlite", flips=count, **told, wrong=len(flips.wrong), seed=flips.seed)
    return flips.wrong


def test_a_bit_that_flips_in_a_sqlite_file_is_found_or_changes_nothing_that_is_read(tmp_path: Path) -> None:
    assert flipped(tmp_path, 40) == []


@pytest.mark.long
def test_ten_thousand_bits_that_flip_in_a_sqlite_file_are_found_or_change_nothing_that_is_read(tmp_path: Path) -> None:
    assert flipped(tmp_path, 10_000) == []


def test_bits_that_once_gave_bare_errors_of_sqlite_are_told(tmp_path: Path) -> None:
    flips = Flips(tmp_path, 721068957)
    for bit in (688_161, 1_497_704):  # the number of an archive's changes, and the name of a stream
        flips.judge(bit)
    assert (flips.told, flips.wrong) == ({"found": 2}, [])


def test_a_flip_that_nothing_tells_is_found_by_the_judge_of_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surveying, "_unlike_written", silent)
    flips = Flips(tmp_path, 1)
    texts = re.finditer(rb"number 1number 1", flips.whole)
    places = [8 * found.start() for found in texts]  # of pages in use, and of others
    for bit in places:
        flips.judge(bit)
    silently = [
        f"seed 1, bit {bit}: AssertionError: what is read is something else, and nothing tells it" for bit in places
    ]
    assert flips.wrong == [each for each in silently if each in flips.wrong] != []
