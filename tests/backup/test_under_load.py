"""A backup that is made while others write takes in the log beside the file, and does not begin anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
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


def copied_as_a_file(url: str, place: Path) -> str:
    """As `cp` does it: the file alone."""
    shutil.copyfile(url.removeprefix("sqlite:///"), f"{place}.db")
    return f"sqlite:///{place}.db"


def test_a_copied_file_lacks_what_stands_in_the_log_beside_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/live.db"
    with opened(url) as store:
        store.append("a-1", [RawEvent("t", {}) for _ in range(10)])
        copied, backup = copied_as_a_file(url, tmp_path / "copy"), backed_up(url, tmp_path / "backup")
        assert len(rows_of(url)) == len(rows_of(backup)) == 10
        with opened(copied) as lost:
            assert list(lost.read()) == []
