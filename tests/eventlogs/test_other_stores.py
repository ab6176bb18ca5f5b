"""What other event stores hold comes in: in its order, once, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from psycopg.conninfo import conninfo_to_dict
from tests.eventlogs.moving import held, imported, store_of

from refold.errors import EventLogError, UsageError
from refold.eventlogs.importer import Imported
from refold.eventlogs.mapping import LogMapping
from refold.eventlogs.rows import BadRow
from refold.messages import Metadata
from refold.testing.postgres import PostgresServer

ID = UUID("0b1c7c1e-0f6f-4d0c-9a53-0f1b6b1a9d37")
OTHER = UUID("1b1c7c1e-0f6f-4d0c-9a53-0f1b6b1a9d37")
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def lines(path: Path, *rows: Mapping[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


# KurrentDB ---------------------------------------------------------------------


def kurrent(revision: int, id: object = ID, **other: object) -> dict[str, Any]:
    return {
        "eventId": str(id), "eventType": "paid", "streamId": "account-7", "revision": revision,
        "data": {"amount": revision}, "metadata": {}, "created": "2024-03-01T12:00:00Z",
    } | other  # fmt: skip


def test_events_of_kurrentdb_keep_their_ids_times_and_stories(tmp_path: Path) -> None:
    story = {"$correlationId": "story", "$causationId": str(ID), "by": "ada", "n": 1}
    path = lines(
        tmp_path / "kurrent.jsonl",
        kurrent(0),
        kurrent(1, OTHER, data='{"amount":2}', metadata=json.dumps(story), created=1_709_294_400_000),
    )
    with store_of() as new:
        assert imported(path, new) == (Imported(2, 1, 0), [])
        assert imported(path, new) == (Imported(0, 0, 2), [])
        assert held(new) == [
            ("account-7", 1, "paid", 1, "{'amount': 0}", ID, frozenset(), Metadata("account-7", valid_at=NOON)),
            ("account-7", 2, "paid", 1, "{'amount': 2}", OTHER, frozenset(),
             Metadata("story", str(ID), valid_at=NOON, free={"by": "ada", "n": "1"})),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "bad"),
    [
        (kurrent(1, OTHER, data=[1]), "data is [1], and not a JSON object"),
        (kurrent(1, OTHER, data="{"), "data is not JSON: Input data was truncated"),
        (kurrent(1, OTHER, created="noon"), "created is 'noon', and no time such as 2011-10-11T13:45:40+02:00"),
        (kurrent(0, OTHER), "version 1 of 'account-7' stands after version 1"),
        (kurrent(1, OTHER, streamId="account"),
         "'account' is not a stream name: it needs a category and an id, as in 'cart-c-1'"),
        (kurrent(1, OTHER, streamId="$ce-account"),
         "'$ce-account' is not a stream name: categories that begin with '$' are kept for Refold's own streams"),
        (kurrent(1, ID), f"{ID} stands on line 1 already"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_come_in_is_named_and_nothing_is_written(
    tmp_path: Path, row: dict[str, Any], bad: str
) -> None:
    with store_of() as new:
        found, rows = imported(lines(tmp_path / "kurrent.jsonl", kurrent(0), row), new)
        assert (found, [(each.line, each.reason) for each in rows], held(new)) == (None, [(2, bad)], [])


def test_a_category_is_put_before_names_that_have_none(tmp_path: Path) -> None:
    path = lines(tmp_path / "kurrent.jsonl", kurrent(0, streamId="7"))
    with store_of() as new:
        assert imported(path, new, LogMapping(category="account")) == (Imported(1, 1, 0), [])
        assert [stream for stream, *_ in held(new)] == ["account-7"]


# CloudEvents -------------------------------------------------------------------


def message(id: str, source: str = "/shop", **other: object) -> dict[str, Any]:
    return {"specversion": "1.0", "id": id, "source": source, "type": "paid", "subject": "account-7"} | other


def test_messages_of_others_are_told_apart_by_source_and_id(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "messages.jsonl",
        message("1", time="2024-03-01T12:00:00Z", data={"amount": 1}, correlationid="story"),
        message("1", "/other", data_base64="eyJhbW91bnQiOjJ9", severity=3),
        message(str(ID)),
    )
    with store_of() as new:
        assert imported(path, new) == (Imported(3, 1, 0), [])
        assert imported(path, new) == (Imported(0, 0, 3), [])
        told = held(new)
        assert [(data, metadata) for *_, data, _, _, metadata in told] == [
            ("{'amount': 1}", Metadata("story", valid_at=NOON, free={"source": "/shop"})),
            ("{'amount': 2}", Metadata("account-7", free={"severity": "3", "source": "/other"})),
            ("{}", Metadata("account-7", free={"source": "/shop"})),
        ]
        assert (told[2][5], len({row[5] for row in told})) == (ID, 3)


@pytest.mark.parametrize(
    ("other", "bad"),
    [
        ({"specversion": "0.3"}, "its specversion is '0.3', and not '1.0'"),
        ({"subject": None}, "the message has no subject, so there is no stream for it"),
        ({"data": "text"}, "data is not JSON: JSON is malformed: invalid character (byte 4)"),
        ({"data_base64": "?"}, "Only base64 data is allowed"),
    ],
)
def test_a_message_that_cannot_come_in_is_named(tmp_path: Path, other: dict[str, Any], bad: str) -> None:
    with store_of() as new:
        assert imported(lines(tmp_path / "m.jsonl", message("1"), message("2", **other)), new) == (
            None,
            [BadRow(2, None, bad)],
        )


# message-db --------------------------------------------------------------------

MESSAGES = """
create schema message_store;
create table message_store.messages (
    global_position bigserial primary key, position bigint not null, time timestamp not null, stream_name text not null,
    type text not null, data jsonb, metadata jsonb, id uuid not null
);
create view message_store.stream_summary as select stream_name, count(*) from message_store.messages group by 1;
insert into message_store.messages (position, time, stream_name, type, data, metadata, id) values
    (0, '2024-03-01 12:00', 'account-7', 'Opened', '{"owner": "Ada"}', null, '0b1c7c1e-0f6f-4d0c-9a53-0f1b6b1a9d37'),
    (0, '2024-03-01 12:00', 'account:command-7', 'Pay', '{"sum": 1.5}', '{"correlationStreamName": "order-1", "n": 1}',
     '1b1c7c1e-0f6f-4d0c-9a53-0f1b6b1a9d37');
"""
HELD = [
    ("account-7", 1, "Opened", 1, "{'owner': 'Ada'}", ID, frozenset[str](), Metadata("account-7", valid_at=NOON)),
    ("account:command-7", 1, "Pay", 1, "{'sum': 1.5}", OTHER, frozenset[str](),
     Metadata("order-1", valid_at=NOON, free={"correlationStreamName": "order-1", "n": "1"})),
]  # fmt: skip


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    url = postgres.new_database()
    yield url
    postgres.drop(url)


def test_messages_of_message_db_come_from_its_database_or_as_lines(tmp_path: Path, url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(MESSAGES.encode())
        rows = connection.execute("select row_to_json(m) from message_store.messages m order by 1::text").fetchall()
    path = lines(
        tmp_path / "messages.jsonl", *(row for (row,) in sorted(rows, key=lambda row: row[0]["global_position"]))
    )
    with store_of() as new:
        assert imported(url, new) == (Imported(2, 2, 0), [])
        assert held(new) == HELD
        assert imported(path, new) == (Imported(0, 0, 2), [])
    with store_of() as new:
        assert imported(path, new) == (Imported(2, 2, 0), [])
        assert held(new) == HELD


def test_a_message_that_is_no_object_is_named_by_its_position(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(MESSAGES.encode())
        connection.execute("update message_store.messages set data = '[1]' where global_position = 2")
    with store_of() as new:
        assert imported(url, new) == (None, [BadRow(2, None, "data is [1], and not a JSON object")])
        assert held(new) == []


def test_a_database_without_events_says_what_it_looked_for(url: str) -> None:
    with store_of() as new, pytest.raises(UsageError, match="there is no table of events such as stored_events"):
        imported(url, new)


def test_a_database_that_is_away_is_told_without_its_password() -> None:
    with store_of() as new, pytest.raises(EventLogError) as caught:
        imported("postgresql://ada:secret@127.0.0.1:1/shop?connect_timeout=2", new)
    assert str(caught.value).startswith("'postgresql://127.0.0.1:1/shop': cannot be read: ")
    assert "secret" not in str(caught.value)


# eventsourcing -----------------------------------------------------------------


class Account(Aggregate):
    """An aggregate as its users write one."""

    @event("Opened")
    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.balance = Decimal(0)

    @event("PaidIn")
    def pay_in(self, amount: Decimal, parts: tuple[int, ...], by: UUID) -> None:
        self.balance += amount


def written(env: dict[str, str]) -> list[tuple[object, ...]]:
    """What an application of the library wrote, with a snapshot beside it, as a store should hold it."""
    bank = Application[UUID](env={"IS_SNAPSHOTTING_ENABLED": "y", **env})
    try:
        account, other = Account("Ada"), Account("Bob")
        bank.save(account)
        account.pay_in(Decimal("1.50"), (1, 2), other.id)
        bank.save(account)
        bank.save(other)
        bank.take_snapshot(account.id)
    finally:
        bank.close()
    opened = f"{__name__}:Account"
    return [
        (f"account-{account.id}", 1, "Account.Opened", f"{{'originator_topic': {opened!r}, 'owner': 'Ada'}}"),
        (f"account-{account.id}", 2, "Account.PaidIn", f"{{'amount': '1.50', 'by': '{other.id}', 'parts': [1, 2]}}"),
        (f"account-{other.id}", 1, "Account.Opened", f"{{'originator_topic': {opened!r}, 'owner': 'Bob'}}"),
    ]


def test_events_of_eventsourcing_come_from_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "bank.db"
    expected = written({"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)})
    check(path, expected)


def test_events_of_eventsourcing_come_from_postgresql(url: str) -> None:
    known = conninfo_to_dict(url)
    expected = written(
        {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": str(known["dbname"]),
            "POSTGRES_HOST": str(known.get("host", "")),
            "POSTGRES_PORT": str(known.get("port", "5432")),
            "POSTGRES_USER": str(known.get("user", "postgres")),
            "POSTGRES_PASSWORD": str(known.get("password", "-")),
        }
    )
    check(url, expected)


def check(place: Path | str, expected: list[tuple[object, ...]]) -> None:
    with store_of() as new:
        assert imported(place, new) == (Imported(3, 2, 0), [])
        assert imported(place, new) == (Imported(0, 0, 3), [])
        assert [(stream, version, type, data) for stream, version, type, _, data, *_ in held(new)] == expected
        topics = [(e.metadata.correlation_id == str(e.stream), dict(e.metadata.free)) for e in new.read()]
        assert topics == [(True, {"topic": f"{__name__}:{type}"}) for _, _, type, _ in expected]
        assert all(e.metadata.valid_at for e in new.read())


def test_a_state_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bank.db"
    written({"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path), "COMPRESSOR_TOPIC": "zlib"})
    reason = "it is not JSON: what is compressed or encrypted cannot be read"
    with store_of() as new:
        assert imported(path, new) == (None, [BadRow(line, "state", reason) for line in (1, 2, 3)])


def test_one_of_several_tables_is_named(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(MESSAGES.encode())
        connection.execute(
            "create table old_events (originator_id text, originator_version int, topic text, state bytea)"
        )
    with store_of() as new:
        with pytest.raises(UsageError, match=r"name one with --table, message_store\.messages, public\.old_events\."):
            imported(url, new)
        assert imported(url, new, table="messages") == (Imported(2, 2, 0), [])
        assert imported(url, new, table="public.old_events") == (Imported(0, 0, 0), [])
        with pytest.raises(UsageError, match="there is no table 'lost' such as"):
            imported(url, new, table="lost")
