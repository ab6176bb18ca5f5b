"""Backups and restores killed in the middle, or without space: what looks like a backup, or a store, is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

import pytest
from tests.backup.shop import build as build_shop
from tests.backup.shop import goes_on, left_in, rows_of, silent
from tests.faults.processes import Process, tell, until

from refold import RawEvent, Store, StoreFull
from refold.backup.making import back_up
from refold.backup.restoring import restore
from refold.backup.sealed import opened

pytestmark = pytest.mark.guarantee("G10")

KILLS = 12


def work(folder: str, name: str, again: bool) -> None:
    """Back up, and perhaps restore, telling each step of the way."""
    stages = set[str]()

    def told(stage: str, done: int, total: int) -> None:
        if stage not in stages:
            stages.add(stage)
            tell(stage)

    if again:
        restore(Path(folder) / "shop.backup", f"sqlite:///{folder}/{name}.db", None, told)
    else:
        back_up(f"sqlite:///{folder}/shop.db", Path(folder) / f"{name}.backup", None, told)
    tell("done")


def build(folder: Path) -> int:
    """The shop, and enough events for a backup to take a while."""
    url = f"sqlite:///{folder}/shop.db?durability=best-effort"
    build_shop(url)
    with Store.open(url, events=[RawEvent]) as store:
        for n in range(5):
            store.append(f"n-{n}", [RawEvent("t", {"n": k, "text": "x" * 50}) for k in range(1_000)])
        return int(store.head())


def has_told(process: Process, steps: int) -> bool:
    assert process.is_alive() or process.has_told("done"), f"{process.role} failed after {process.told}"
    return len(process.told) >= steps or process.has_told("done")


def killed(random: Random, folder: Path, name: str, *, again: bool) -> bool:
    """Kill it somewhere on its way; whether it was killed before its end."""
    with Process(work, folder=str(folder), name=name, again=again) as process:
        steps = random.randrange(1, 4)
        until("it is at work", partial(has_told, process, steps))
        time.sleep(random.uniform(0, 0.05))  # the moment of the kill is what is random here
        process.kill()
        return not process.has_told("done")


def test_whenever_it_is_killed_there_is_a_whole_backup_or_none(tmp_path: Path) -> None:
    random, kills = Random(int(os.environ.get("REFOLD_SEED", "7"))), 0  # noqa: S311 - the same each time
    head = build(tmp_path)
    for n in range(KILLS):
        kills += killed(random, tmp_path, f"b{n}", again=False)
    assert kills > 0
    for each in tmp_path.glob("*.backup"):
        with opened(each) as backup:
            backup.check()
            assert backup.manifest.contents.head == head
    assert all(each.name.startswith((".", "b", "shop.")) for each in tmp_path.iterdir())
    assert len(rows_of(f"sqlite:///{tmp_path}/shop.db")) == head
    back_up(f"sqlite:///{tmp_path}/shop.db", tmp_path / "last.backup", None, silent)


def test_whenever_a_restore_is_killed_there_is_a_whole_store_or_none(tmp_path: Path) -> None:
    random, kills = Random(int(os.environ.get("REFOLD_SEED", "8"))), 0  # noqa: S311 - the same each time
    head = build(tmp_path)
    back_up(f"sqlite:///{tmp_path}/shop.db", tmp_path / "shop.backup", None, silent)
    for n in range(KILLS):
        kills += killed(random, tmp_path, f"r{n}", again=True)
    assert kills > 0
    for each in tmp_path.glob("r*.db"):
        assert len(rows_of(f"sqlite:///{each}")) == head
    restore(tmp_path / "shop.backup", f"sqlite:///{tmp_path}/last.db", None, silent)
    goes_on(f"sqlite:///{tmp_path}/last.db")


# A full disk -----------------------------------------------------------------------


@contextmanager
def small(folder: Path, size: str) -> Generator[Path]:
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("a small file system takes root and mount")
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small file system: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_without_space_it_is_told_nothing_is_left_and_with_space_it_is_done(tmp_path: Path) -> None:
    head = build(tmp_path)
    url, backup = f"sqlite:///{tmp_path}/shop.db", tmp_path / "whole.backup"
    back_up(url, backup, None, silent)
    copy, packed = (tmp_path / "shop.db").stat().st_size, backup.stat().st_size
    kilobytes = (copy + packed // 2) // 1_024  # room for the copy, and for half of what is packed of it
    attempts: list[Callable[[Path], object]] = [
        lambda place: back_up(url, place / "x.backup", None, silent),
        lambda place: restore(backup, f"sqlite:///{place}/x.db", None, silent),
    ]
    for size, fails in ((f"{copy // 2_048}k", (0, 1)), (f"{kilobytes}k", (0,))):
        with small(tmp_path / size, size) as place:
            for n in fails:
                with pytest.raises(StoreFull, match="no space is left for"):
                    attempts[n](place)
                assert left_in(place) == []
    with small(tmp_path / "enough", f"{(2 * copy + packed) // 1_024 + 1_000}k") as place:
        attempts[0](place)
        attempts[1](place)
        assert len(rows_of(f"sqlite:///{place}/x.db")) == head
