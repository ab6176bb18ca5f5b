"""Keys in a file and in a table: made once for a subject, destroyed for good, whoever asks and from wherever."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias
from urllib.parse import quote

import apsw
import psycopg
import pytest

from refold import Personal, Store, StoreUnreachable, event
from refold.keys import postgres, sqlite
from refold.keys.postgres import KeyTable
from refold.keys.sealing import Keys
from refold.keys.sqlite import KeyFile
from refold.testing.postgres import PostgresServer

Open: TypeAlias = Callable[[], Keys]


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the keys of one place, and closes all."""
    files: list[Keys] = []
    server: PostgresServer | None = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    url = server.new_database() if server else ""

    def open_() -> Keys:
        files.append(KeyTable(url) if server else KeyFile(f"sqlite:///{tmp_path}/keys.db"))
        return files[-1]

    yield open_
    for keys in files:
        keys.close()
    if server:
        server.drop(url)


def test_a_subject_has_one_key_whoever_makes_it(opened: Open) -> None:
    places = [opened() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda keys: keys.current("who:x"), places))
    assert len(set(made)) == 1
    assert [list(keys.of("who:x")) for keys in places] == [[made[0]]] * 4
    assert (len(made[0].id), len(made[0].secret or b"")) == (16, 64)


def test_who_looks_at_a_file_while_another_makes_its_keys_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, first = (KeyFile(f"sqlite:///{tmp_path}/keys.db") for _ in range(2))

    class Late(apsw.Connection):
        """After its first look the other one makes all that there is."""

        def execute(self, *asked: Any, **how: Any) -> Any:
            found = super().execute(*asked, **how)
            if apsw.Connection is not Late:
                return found
            seen = SimpleNamespace(get=found.get)
            monkeypatch.undo()
            first.current("who:x")
            return seen

    monkeypatch.setattr(apsw, "Connection", Late)
    assert late.current("who:x") == first.current("who:x")
    late.close()
    first.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("name", ["keys.db", "link.db"])
def test_a_new_file_of_keys_is_for_its_user_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "keys.db")
    before = os.umask(0)
    try:
        keys = KeyFile(f"sqlite:///{tmp_path}/{name}")
        keys.current("who:x")
    finally:
        os.umask(before)
    assert {oct(each.stat().st_mode & 0o777) for each in tmp_path.iterdir()} == {"0o600"}
    keys.close()


def test_threads_that_make_one_file_at_once_all_get_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        places = list(threads.map(lambda _: KeyFile(f"sqlite:///{tmp_path}/keys.db"), range(8)))
        assert len(set(threads.map(lambda keys: keys.current("who:x"), places))) == 1
    for keys in places:
        keys.close()


def test_a_destroyed_key_is_known_and_has_no_secret(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (postgres, sqlite):
        monkeypatch.setattr(place, "REMEMBERED", 0)  # others ask again at once
    one, other = opened(), opened()
    key, kept = one.current("who:x"), one.current("who:y")
    assert other.find(key.id) == key
    one.destroy("who:x", 1)
    gone = key._replace(secret=None)
    assert [keys.find(key.id) for keys in (one, other)] == [gone, gone]
    assert (other.find(kept.id), other.find(b"\0" * 16)) == (kept, None)
    later = other.current("who:x")
    assert list(one.of("who:x")) == [gone, later]


def test_whoever_only_looks_makes_nothing(opened: Open, tmp_path: Path) -> None:
    looking, writing = opened(), opened()
    assert (list(looking.of("who:x")), looking.find(b"\0" * 16), list(tmp_path.glob("keys*"))) == ([], None, [])
    key = writing.current("who:x")
    assert (list(looking.of("who:x")), looking.find(key.id)) == ([key], key)


def test_of_many_who_find_no_table_each_has_one_in_the_end(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    with ThreadPoolExecutor(8) as threads:
        places = list(threads.map(lambda _: KeyTable(url), range(8)))
        made = set(threads.map(lambda keys: keys.current("who:x"), places))
    assert len(made) == 1
    for keys in places:
        keys.close()
    postgres.drop(url)


def test_a_broken_connection_is_made_anew(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    keys = KeyTable(url)
    key = keys.current("who:x")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
    assert list(keys.of("who:x")) == [key]
    keys.close()
    postgres.drop(url)


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    with pytest.raises(StoreUnreachable) as told:
        KeyTable("postgresql://me:hunter2@127.0.0.1:1/keys?connect_timeout=1")
    assert "hunter2" not in str(told.value)


@event("guest.came", subject="guest")
class Came:
    guest: str
    name: Personal[str]


def test_a_store_seals_by_the_keys_of_a_database(postgres: PostgresServer) -> None:
    keys, url = postgres.new_database(), postgres.new_database()
    with Store.open(f"{url}{'&' if '?' in url else '?'}keys={quote(keys, safe='')}", events=[Came]) as store:
        store.append("guest-1", [Came("ann", "Ann"), Came("bob", "Bob")])
        store.forget("guest:ann")
        assert [recorded.data for recorded in store.read()] == [Came("ann", None), Came("bob", "Bob")]
    for each in (keys, url):
        postgres.drop(each)
