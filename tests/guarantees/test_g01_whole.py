"""G1: an append becomes visible whole or never, to every reader and after every crash.

Writers are killed while a reader looks on; the power is cut at every sync and between them, in images made of a log of
all writes; and each single call that SQLite makes to change its files fails, in every way that it can.
"""

from __future__ import annotations

from collections import Counter
from errno import EIO, ENOSPC
from pathlib import Path
from typing import Final

import pytest
from tests.faults.crashimages import examine
from tests.faults.failing import NthFails, Way
from tests.faults.filecalls import Kind
from tests.faults.folders import quick_folder
from tests.faults.killed_writers import check, kill_loop, page_is_whole
from tests.faults.troubled import Troubled
from tests.guarantees.seeding import seeded
from tests.guarantees.telling import tell

from refold import RawEvent, Store

pytestmark = [pytest.mark.guarantee("G1")]

LEVELS: Final = ["disk", "best-effort"]
TROUBLES: Final[list[tuple[Kind, int, Way]]] = [
    ("open", EIO, "whole"),
    ("open", ENOSPC, "whole"),
    ("write", EIO, "whole"),
    ("write", ENOSPC, "whole"),
    ("write", EIO, "short"),
    ("write", ENOSPC, "short"),
    ("write", EIO, "torn"),
    ("sync", EIO, "whole"),
    ("sync", EIO, "torn"),
    ("truncate", EIO, "whole"),
    ("truncate", ENOSPC, "whole"),
    ("truncate", EIO, "torn"),
    ("delete", EIO, "whole"),
]
"""Which call fails, with what, and whether nothing of it is done, half of it, or half of it as the last thing at all."""


# Killed writers -------------------------------------------------------------------------------------------------------


def killed(folder: Path, kills: int, level: str, *, every: int = 1) -> None:
    seed = seeded()
    came = kill_loop(f"sqlite:///{folder}/store.db?durability={level}", kills, seed, every=every)
    tell(
        "G1", "sqlite", durability=level, kills=came.kills, acknowledged=came.acknowledged, found=came.there, lost=0,
        torn=0, looks=came.looks, seed=seed,
    )  # fmt: skip
    assert came.looks > 0
    assert came.acknowledged <= came.there <= came.acknowledged + kills  # one a kill may be written and not told


@pytest.mark.parametrize("level", LEVELS)
def test_a_killed_sqlite_writer_leaves_whole_appends_and_all_that_it_acknowledged(tmp_path: Path, level: str) -> None:
    killed(tmp_path, 15, level)


@pytest.mark.long
@pytest.mark.parametrize("level", LEVELS)
def test_a_thousand_killed_sqlite_writers_leave_whole_appends(tmp_path: Path, level: str) -> None:
    killed(tmp_path, 1_000, level, every=50)


def test_what_looks_at_killed_sqlite_writers_finds_what_is_lost_and_what_is_half_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with Store.open(url, events=[RawEvent]) as store:
        store.append("w-1", [RawEvent("X", {"batch": "a", "part": part}) for part in range(3)])
        assert check(url, {"a": [1, 2, 3]}) == 1
        with pytest.raises(AssertionError):
            check(url, {"a": [1, 2, 3], "b": [4, 5, 6]})
        store.append("w-1", [RawEvent("X", {"batch": "half", "part": 0})])
        with pytest.raises(AssertionError):
            check(url, {"a": [1, 2, 3]})
        assert [page_is_whole(list(store.read(after=after))) for after in (0, 3, 4)] == [False, False, True]


# Crash images ---------------------------------------------------------------------------------------------------------


def imaged(count: int, level: str) -> None:
    seed = seeded()
    found = examine(count, level, seed)
    tell(
        "G1", "sqlite", durability=level, images=found.images, appends=found.appends,
        with_acknowledged=found.acknowledged, lost=len(found.lost), wrong=len(found.wrong), seed=seed,
    )  # fmt: skip
    assert (found.wrong, found.lost if level == "disk" else []) == ([], [])
    assert bool(found.lost) == (level == "best-effort")  # else the images would prove nothing


@pytest.mark.guarantee("G2")
@pytest.mark.parametrize(("level", "count"), [("disk", 400), ("best-effort", 100)])
def test_what_a_power_cut_may_leave_of_sqlite_is_whole_with_all_that_was_acknowledged(level: str, count: int) -> None:
    imaged(count, level)


@pytest.mark.long
@pytest.mark.guarantee("G2")
@pytest.mark.parametrize(("level", "count"), [("disk", 20_000), ("best-effort", 5_000)])
def test_thousands_of_images_of_sqlite_after_power_cuts_are_whole(level: str, count: int) -> None:
    imaged(count, level)


# Calls that fail ------------------------------------------------------------------------------------------------------


def troubled(fails: NthFails, seed: int) -> Troubled:
    """A store that is made, appended to and closed meanwhile, and looked at when the trouble is over."""
    with quick_folder() as folder:
        with Troubled(f"sqlite:///{folder}/store.db", fails, seed) as trouble:
            if trouble.open():
                trouble.append(12)
        trouble.settle()
    return trouble


def each_call_fails(*, every: int = 1) -> None:
    """For each trouble, let every so-manieth call of its kind have it, beginning with a random one."""
    seed, failed, told, wrong = seeded(), Counter[Kind](), Counter[str](), list[str]()
    for kind, errno, way in TROUBLES:
        none = NthFails(kind, 0)
        troubled(none, seed)
        for n in range(1 + seed % min(every, none.made), none.made + 1, every):
            fails = NthFails(kind, n, errno, way)
            trouble = troubled(fails, seed)
            failed[kind] += fails.has_failed
            told.update(trouble.counts)
            wrong += [f"{kind} {n} {way}: {found}" for found in trouble.wrong]
    tell(
        "G1",
        "sqlite",
        **{f"failed_{kind}s": times for kind, times in failed.items()},
        **told,
        wrong=len(wrong),
        seed=seed,
    )
    assert wrong == []
    assert set(failed) == {"open", "write", "sync", "truncate", "delete"}
    assert set(told) == {"done", "refused", "unknown"}


def test_whichever_call_of_sqlite_fails_appends_are_whole_and_as_they_were_told() -> None:
    each_call_fails(every=25)


@pytest.mark.long
def test_every_single_call_of_sqlite_may_fail_in_every_way() -> None:
    each_call_fails()
