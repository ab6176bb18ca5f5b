"""Processes that are killed while they catch up: rows and checkpoint are never apart, and in the end all is there once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from tests.integrations.shop import EVENTS, Customers, Orders, folded, shown_in

from refold import Store

ROOT = Path(__file__).parents[2]

# Everything is imported once; then each line read makes a child that appends and catches up until it is killed.
NURSERY = """
import os, sys
from tests.integrations.shop import EVENTS, engine_at, mapped_shop, sell
from refold import Store
from refold.integrations.sqlalchemy import SessionTarget
orm, store_url, url = sys.argv[1:]
if orm == "django":
    from tests.integrations.django_shop import default_database, django_shop
    from refold.integrations.django import DjangoTarget

def work(number):
    view, target = (mapped_shop(), SessionTarget(engine_at(url))) if orm == "sqlalchemy" else (django_shop(), DjangoTarget())
    with Store.open(store_url, events=EVENTS) as store:
        first = 100_000 * number
        while True:
            sell(store, 2, seed=first, first=first)
            first += 2
            store.catch_up(view, into=target)
            if first == 100_000 * number + 2:
                print(os.getpid(), flush=True)

for number, _ in enumerate(sys.stdin):
    child = os.fork()
    if child == 0:
        if orm == "django":
            with default_database(url, make=False):
                work(number)
        work(number)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@contextmanager
def nursery(*arguments: str) -> Generator[Callable[[float], None]]:
    """A function that lets a process work for so many seconds, once it has caught up, and kills it."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    with subprocess.Popen(
        [sys.executable, "-c", NURSERY, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def live(seconds: float) -> None:
            stdin.write("\n")
            stdin.flush()
            child = int(stdout.readline())
            time.sleep(seconds)  # the moment of the kill is what is random here
            os.kill(child, signal.SIGKILL)
            assert int(stdout.readline()) == -signal.SIGKILL

        yield live
        stdin.close()


def seen(engine: Engine) -> tuple[int, tuple[Orders, Customers]]:
    """The checkpoint and the rows, of one moment."""
    with Session(engine) as session:
        if session.get_bind().dialect.name == "postgresql":
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        position = session.execute(
            text("select position from refold_partitions where projection = 'shop'")
        ).scalar_one()
        return position, shown_in(session)


def check(engine: Engine, store: Store) -> int:
    """The rows are what the events up to the checkpoint make."""
    position, rows = seen(engine)
    assert rows == folded(takewhile(lambda event: event.position <= position, store.read()))
    return position


def kill_loop(orm: str, tmp_path: Path, url: str, engine: Engine, kills: int) -> list[int]:
    """The checkpoints found after each kill."""
    store_url = f"sqlite:///{tmp_path}/store.db?durability=best-effort"
    found = []
    with nursery(orm, store_url, url) as live, Store.open(store_url, events=EVENTS) as store:
        for _ in range(kills):
            live(random.uniform(0, 0.1))  # noqa: S311 - a moment
            found.append(check(engine, store))
    return found


@pytest.mark.parametrize("orm", ["sqlalchemy", "django"])
def test_a_killed_process_leaves_rows_and_checkpoint_together(
    orm: str, tmp_path: Path, url: str, engine: Engine
) -> None:
    found = kill_loop(orm, tmp_path, url, engine, 20)
    assert found == sorted(found)
    assert len(set(found)) == len(found), "each has done something before it was killed"


@pytest.mark.long
@pytest.mark.parametrize("orm", ["sqlalchemy", "django"])
def test_hundreds_of_killed_processes_leave_rows_and_checkpoint_together(
    orm: str, tmp_path: Path, url: str, engine: Engine
) -> None:
    found = kill_loop(orm, tmp_path, url, engine, 200)
    print(f"{orm}, {engine.dialect.name}: 200 kills, {len(set(found))} checkpoints, {found[-1]:,} events")
    assert found == sorted(found)


def test_the_check_bites_if_an_event_counts_twice_or_not_at_all(tmp_path: Path, url: str, engine: Engine) -> None:
    store_url = f"sqlite:///{tmp_path}/store.db?durability=best-effort"
    with nursery("sqlalchemy", store_url, url) as live, Store.open(store_url, events=EVENTS) as store:
        live(0.5)
        assert check(engine, store) > 0
        for wrong in ("update customers set orders = orders + 1", "update customers set orders = orders - 2"):
            with engine.begin() as connection:
                connection.execute(text(wrong))
            with pytest.raises(AssertionError):
                check(engine, store)
