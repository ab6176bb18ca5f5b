"""Killed runners: every scheduled command is sent, once, and none before its time."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from tests.faults.processes import Process, until

from refold import Store, schedules
from refold.testing.contract.sample import EVENTS, Deposit, accounts
from refold.testing.postgres import PostgresServer

pytestmark = pytest.mark.guarantee("G23")

COUNT, KILLS, RUNNERS = 150, 15, 3
APART = timedelta(milliseconds=40)
LEASE = 0.4


def run(url: str) -> None:
    """Send what is due until it is killed."""
    with Store.open(url) as store, store.run(schedules, accounts, lease=timedelta(seconds=LEASE)):
        while True:
            time.sleep(1)


@pytest.mark.guarantee("G15")
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_scheduled_commands_are_sent_once_whoever_is_killed(
    backend: str, tmp_path: Path, postgres: PostgresServer
) -> None:
    url = f"sqlite:///{tmp_path}/store.db" if backend == "sqlite" else postgres.new_database()
    with Store.open(url, events=EVENTS) as store:
        planned = _planned(store)
        _kill(url, Random(1))  # noqa: S311 - a scenario, no secret
        with Process(run, url=url):
            until("all were sent", lambda: not store.schedules() and not store.process(schedules).outgoing())
        sent = {event.data.amount: event.recorded_at for event in store.read(category="account")}
        assert store.stats().types["account.deposited"] == COUNT
        assert {amount for amount, at in planned.items() if sent[amount] < at} == set()


def _planned(store: Store) -> dict[int, datetime]:
    """One command at a time: the first ones are due while the last ones are still set."""
    start = datetime.now(UTC) + timedelta(seconds=0.5)
    planned = {number: start + number * APART for number in range(1, COUNT + 1)}
    for number, moment in planned.items():
        store.schedule(f"s{number}", send=accounts.send(str(number % 7), Deposit(number)), at=moment)
    return planned


def _kill(url: str, random: Random) -> None:
    with ExitStack() as left:
        running = [left.enter_context(Process(run, url=url)) for _ in range(RUNNERS)]
        for _ in range(KILLS):
            time.sleep(random.uniform(0.05, 0.5))  # the moment of a kill is chance; nothing is waited for
            victim = random.randrange(RUNNERS)
            running[victim].kill()
            running[victim] = left.enter_context(Process(run, url=url))
