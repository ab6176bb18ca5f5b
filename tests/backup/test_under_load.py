"""Backups made while others write: each is a beginning of the log, with all else as it was at that very moment."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.backup.load import copied_while_they_write
from tests.backup.shop import build, opened, rows_of, silent

from refold import RawEvent
from refold.backends.sqlite import online
from refold.backup.making import back_up
from refold.backup.restoring import restore

pytestmark = pytest.mark.guarantee("G10")


def backed_up(url: str, place: Path) -> str:
    again = f"sqlite:///{place}.db"
    back_up(url, Path(f"{place}.backup"), None, silent)
    restore(Path(f"{place}.backup"), again, None, silent)
    return again


def test_backups_beside_writers(tmp_path: Path) -> None:
    told = copied_while_they_write(tmp_path, 20, backed_up)
    print(f"\nGUARANTEE G10 sqlite backups={told.restored} bad={len(told.wrong)}")
    assert (told.restored, told.wrong) == (20, [])


@pytest.mark.long
def test_many_backups_beside_writers(tmp_path: Path) -> None:
    backups, wrong = int(os.environ.get("REFOLD_BACKUPS", "500")), list[str]()
    for n in range(0, backups, 25):  # each in a store of its own, which does not become large
        folder = tmp_path / str(n)
        folder.mkdir()
        wrong += copied_while_they_write(folder, min(25, backups - n), backed_up).wrong
        shutil.rmtree(folder)
    print(f"\nGUARANTEE G10 sqlite backups={backups} bad={len(wrong)}")
    assert wrong == []


def test_what_is_committed_between_two_steps_does_not_let_it_begin_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online, "PAGES", 5)
    url, steps = f"sqlite:///{tmp_path}/shop.db", [0]
    build(url)
    head = len(rows_of(url))
    with opened(url) as store:

        def write(stage: str, done: int, total: int) -> None:
            if stage == "pages":
                assert done > steps[-1], "it has begun anew"
                steps.append(done)
                store.append("late-1", [RawEvent("late", {})])

        made = back_up(url, tmp_path / "shop.backup", None, write)
    assert (made.manifest.contents.head, len(steps) > 5) == (head, True)


# What the judge finds -----------------------------------------------------------


def copied_as_a_file(url: str, place: Path) -> str:
    """As `cp` does it: the file alone."""
    shutil.copyfile(url.removeprefix("sqlite:///").partition("?")[0], f"{place}.db")
    return f"sqlite:///{place}.db"


def test_the_judge_finds_that_cp_makes_no_backup(tmp_path: Path) -> None:
    told = copied_while_they_write(tmp_path, 5, copied_as_a_file)
    bad = {each.partition(":")[0] for each in told.wrong}
    print(f"\ncp: {len(bad)} of {told.restored} bad, such as {told.wrong[0]}")
    assert bad


def test_a_copied_file_lacks_what_stands_in_the_log_beside_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/live.db"
    with opened(url) as store:
        store.append("a-1", [RawEvent("t", {}) for _ in range(10)])
        copied, backup = copied_as_a_file(url, tmp_path / "copy"), backed_up(url, tmp_path / "backup")
        assert len(rows_of(url)) == len(rows_of(backup)) == 10
        with opened(copied) as lost:
            assert list(lost.read()) == []
