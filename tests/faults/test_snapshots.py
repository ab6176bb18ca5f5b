"""Snapshots under failures: nothing that goes wrong with one fails a command, and a kill leaves nothing that is wrong."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import apsw
import pytest

from refold import Snapshots, Store, StoreBusy
from refold.flows import snapshots
from refold.testing.contract.sample import EVENTS, Deposit, accounts

POLICY = Snapshots(every=2, keep=50)

WRITER = """
import sys
from refold import *
from refold.testing.contract.sample import *
with Store.open(sys.argv[1], events=EVENTS) as store:
    account = store.bind(accounts, snapshots=Snapshots(every=2, keep=50), cache=4)
    while True:
        print(account.handle("1", Deposit(1)).state, flush=True)
"""


def killed_after(url: str, seconds: float) -> int:
    """How far a writer told that it had come before it was killed."""
    with subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline()]
        time.sleep(seconds)  # the moment of the kill is what is random here
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout.readlines()
    return max(int(line) for line in told if line.endswith("\n"))


def test_a_kill_at_any_moment_leaves_states_that_are_sound(tmp_path: Path) -> None:
    url, moments = f"sqlite:///{tmp_path}/store.db", random.Random(5)  # noqa: S311 - any moments will do
    for _ in range(5):
        told = killed_after(url, moments.uniform(0, 0.2))
        with Store.open(url, events=EVENTS, verify_snapshots=True) as store:
            account = store.bind(accounts, snapshots=POLICY)
            checks = account.check_snapshots()
            assert {check.verdict for check in checks} == {"sound"}
            assert account.load("1").began == checks[-1].version
            assert account.state("1") in (told, told + 1)
            assert account.state("1") == store.bind(accounts).state("1")


def test_a_store_that_cannot_write_one_fails_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(*_: Any) -> None:
        raise StoreBusy("somebody holds the lock")

    with Store.open("sqlite:///:memory:", events=EVENTS) as store:
        account = store.bind(accounts, snapshots=Snapshots(every=1), cache=1)
        with monkeypatch.context() as patch:
            patch.setattr(snapshots, "save", busy)
            assert [account.handle("1", Deposit(1)).state for _ in range(3)] == [1, 2, 3]
            assert account.check_snapshots() == []
        assert account.handle("1", Deposit(1)).state == 4
        assert [check.version for check in account.check_snapshots()] == [4]


def test_a_store_that_is_only_read_uses_them_and_writes_none(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with Store.open(url, events=EVENTS) as store:
        for _ in range(3):
            store.bind(accounts, snapshots=POLICY).handle("1", Deposit(1))
    with Store.open(f"{url}?mode=ro", events=EVENTS) as store:
        loaded = store.bind(accounts, snapshots=Snapshots(every=1)).load("1")
        assert (loaded.state, loaded.began) == (3, 2)
        assert len(store.bind(accounts, snapshots=POLICY).check_snapshots()) == 1


def test_a_table_of_snapshots_from_another_store_is_not_believed(tmp_path: Path) -> None:
    for name, amount in (("one", 1), ("other", 1_000)):
        with Store.open(f"sqlite:///{tmp_path}/{name}.db", events=EVENTS) as store:
            for _ in range(4):
                store.bind(accounts, snapshots=POLICY).handle("1", Deposit(amount))
    db = apsw.Connection(f"{tmp_path}/one.db")
    db.execute(f"attach '{tmp_path}/other.db' as other")
    db.execute("delete from refold_snapshots; insert into refold_snapshots select * from other.refold_snapshots")
    db.close()
    with Store.open(f"sqlite:///{tmp_path}/one.db", events=EVENTS) as store:
        account = store.bind(accounts, snapshots=POLICY)
        assert {check.verdict for check in account.check_snapshots()} == {"foreign"}
        assert account.load("1").began == 0
        assert account.state("1") == 4


def test_events_that_a_process_knew_and_the_store_lost_are_not_built_upon() -> None:
    with Store.open("memory://", events=EVENTS) as store:
        account = store.bind(accounts, cache=4)
        for _ in range(3):
            account.handle("1", Deposit(1))
        backend: Any = store._engine._writer.backend  # type: ignore[union-attr] # the one that memory has
        backend._cut((1, 0))  # as when a standby takes over that has not heard of the last ones
        assert account.state("1") == 1
        account.handle("1", Deposit(1))
        backend._cut((1, 0))
        assert account.handle("1", Deposit(10)).state == 11
        assert store.bind(accounts).state("1") == 11


def test_tenants_share_no_cache_and_neither_does_a_store_inside_a_transaction_of_the_applications(
    tmp_path: Path,
) -> None:
    with Store.open(f"sqlite:///{tmp_path}/store.db", events=EVENTS) as store:
        store.bind(accounts, cache=3).handle("1", Deposit(1))
        assert store.tenant("acme").bind(accounts, cache=3).handle("1", Deposit(5)).state == 5


# The proofs above bite -----------------------------------------------------------


def test_a_refusal_upon_an_old_state_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from refold.flows import transact  # noqa: PLC0415 - to be broken
    from refold.testing.contract.sample import Deposited, Overdrawn, Withdraw  # noqa: PLC0415

    whole = transact._decided
    monkeypatch.setattr(transact, "_decided", lambda *args, is_current: whole(*args, is_current=True))
    with Store.open("memory://", events=EVENTS) as store:
        account = store.bind(accounts, cache=4)
        account.handle("1", Deposit(1))
        store.append("account-1", [Deposited(100)])
        with pytest.raises(Overdrawn):
            account.handle("1", Withdraw(50))
