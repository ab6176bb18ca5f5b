"""`refold backup`, `refold restore` and the drill: what they tell, and how they end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.archive.books import archived, write_books
from tests.cli.conftest import Run

from refold import RawEvent, Store
from refold.backends.sqlite.connection import FORMAT
from refold.cli import backup as backup_command

DIGEST = r"digest [0-9a-f]{32}"
HELD = "6 events in 3 streams, up to position 6, as of TIME, DIGEST"


def steady(text: str) -> str:
    """Without what is another each time."""
    text = re.sub(r"in [0-9.]+ s\b", "in ... s", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    return re.sub(DIGEST, "DIGEST", re.sub(r"[0-9,]+ bytes", "... bytes", text))


def test_a_backup_is_made_restored_and_tried(refold: Run, directory: Path) -> None:
    code, out, err = refold("backup", "b", "--store", "shop.db")
    assert (code, steady(out), err) == (0, f"backed up and verified in ... s: {HELD}\nb has ... bytes\n", "")
    code, out, err = refold("restore", "b", "--store", "new.db")
    assert (code, steady(out), err) == (0, f"restored and verified in ... s: {HELD}\n", "")
    with Store.open(f"sqlite:///{directory}/shop.db", events=[RawEvent]) as store:
        store.append("order-1", [RawEvent("order.sent", {})])
    code, out, err = refold("verify", "--restore", "b", "--store", "shop.db")
    assert (code, err) == (0, "")
    assert steady(out).splitlines() == [
        f"restored into a scratch place and verified in ... s: {HELD}",
        "it is the beginning of the live store, which is at position 7",
        "restoring it now would lose 1 event in 1 stream, recorded since TIME",
    ]
    assert "would lose nothing" in refold("verify", "--restore", "b", "--store", "new.db").out


def test_all_is_told_as_json(refold: Run) -> None:
    made = json.loads(refold("backup", "b", "--store", "shop.db", "--output", "json").out)
    restored = json.loads(refold("restore", "b", "--store", "new.db", "--output", "json").out)
    tried = json.loads(refold("verify", "--restore", "b", "--store", "shop.db", "--output", "json").out)
    manifest = made["manifest"]
    assert manifest == restored["manifest"] == tried["manifest"]
    assert sorted(manifest) == ["contents", "format", "parts", "refold", "source", "taken_at", "tenants"]
    assert manifest["source"] == {"backend": "sqlite", "format": FORMAT, "place": "shop.db"}
    assert [part["name"] for part in manifest["parts"]] == ["database.sqlite"]
    assert (tried["lost"]["events"], tried["differs_at"], tried["live_head"]) == (0, None, 6)
    assert sorted(tried) == ["backup", "compared_in", "differs_at", "live_head", "lost", "manifest", "restored_in"]


def test_a_dry_run_says_what_would_be_done_and_does_nothing(refold: Run, directory: Path) -> None:
    code, out, _ = refold("backup", "b", "--store", "shop.db", "--dry-run")
    assert (code, steady(out)) == (0, "shop.db would be backed up to b: 6 events, ... bytes\n")
    assert not (directory / "b").exists()
    refold("backup", "b", "--store", "shop.db")
    code, out, _ = refold("restore", "b", "--store", "new.db", "--dry-run")
    assert (code, steady(out)) == (0, f"b is whole, and would be restored to new.db: {HELD}\n")
    assert not (directory / "new.db").exists()
    assert refold("restore", "b", "--store", "shop.db", "--dry-run").code == 7


@pytest.mark.parametrize("output", ["json", "jsonl"])
def test_plans_are_objects_where_objects_are_asked_for(refold: Run, directory: Path, output: str) -> None:
    code, out, err = refold("backup", "b", "--store", "shop.db", "--dry-run", "--output", output)
    size = (directory / "shop.db").stat().st_size
    assert (code, json.loads(out), err) == (0, {"backup": "b", "place": "shop.db", "events": 6, "bytes": size}, "")
    made = json.loads(refold("backup", "b", "--store", "shop.db", "--output", output).out)
    code, out, err = refold("restore", "b", "--store", "new.db", "--dry-run", "--output", output)
    assert (code, json.loads(out), err) == (0, {"backup": "b", "place": "new.db", "manifest": made["manifest"]}, "")
    assert not (directory / "new.db").exists()


def test_nothing_is_overwritten(refold: Run) -> None:
    refold("backup", "b", "--store", "shop.db")
    for command, name in ((("backup", "b"), "b"), (("restore", "b"), "shop.db")):
        assert refold(*command, "--store", "shop.db") == (
            7,
            "",
            f"refold: {name!r} is there already, and nothing is overwritten: choose another name.\n",
        )


def test_a_damaged_backup_and_one_of_another_store_end_with_6(refold: Run, directory: Path) -> None:
    refold("backup", "b", "--store", "shop.db")
    refold("import", "log.csv", "--store", "other.db")
    code, out, _ = refold("verify", "--restore", "b", "--store", "other.db")
    assert (code, "it is NOT the beginning of the live store: at position 1 they differ." in out) == (6, True)
    (directory / "b").write_bytes((directory / "b").read_bytes()[:-100])
    for command in (("restore", "b", "--store", "new.db"), ("verify", "--restore", "b", "--store", "shop.db")):
        code, out, err = refold(*command)
        assert (code, out, "was it cut off?" in err) == (6, "", True)


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("backup", "b", "--store", "none.db"), 5, "there is no store at 'none.db'"),
        (("backup", "no/b", "--store", "shop.db"), 5, "'no/b' cannot be written: No such file or directory"),
        (("backup", "b", "--store", "memory://"), 2, "so it has no backup: take sqlite:///FILE"),
        (("backup", "b", "--store", "nats://localhost/shop"), 2, "`refold copy --from URL --to sqlite:///copy.db`"),
        (("restore", "none", "--store", "new.db"), 5, "there is no backup at 'none'"),
        (
            ("restore", "shop.db", "--store", "new.db"),
            2,
            "'shop.db' is no backup: name a file that `refold backup` made",
        ),
        (("backup", "b", "--store", "shop.db", "--archive", "old"), 2, "the store has no archive"),
    ],
)
def test_what_cannot_be_is_told(refold: Run, directory: Path, command: tuple[str, ...], code: int, said: str) -> None:
    before = sorted(directory.glob("[!s]*"))
    done = refold(*command)
    assert (done.code, done.out, said in done.err) == (code, "", True), done
    assert sorted(directory.glob("[!s]*")) == before


def test_what_is_not_in_it_is_named(refold: Run, directory: Path) -> None:
    pytest.importorskip("pyarrow")
    write_books("sqlite:///books.db", 2)
    archived("sqlite:///books.db", "old")
    done = refold("backup", "b", "--store", "books.db")
    assert (done.code, done.err.startswith("refold: NOT in it: the archive at ")) == (0, True)
    whole = refold("backup", "whole", "--store", "books.db", "--archive", "old")
    assert (whole.code, whole.err) == (0, "")
    assert refold("restore", "whole", "--store", "new.db", "--archive", "new").code == 0
    assert refold("archive", "verify", "new", "--store", "new.db").code == 0


def test_ctrl_c_leaves_nothing(refold: Run, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backup_command, "back_up", interrupted)
    assert refold("backup", "b", "--store", "shop.db") == (
        130, "", "refold: stopped: 'b' was not written. The same command begins anew.\n",
    )  # fmt: skip


def test_paths_may_have_anything_in_them(refold: Run, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = directory / "q?mode=ro&x #%41"
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    backup = f"{odd.name}/a?b.backup"
    assert refold("backup", backup, "--store", "shop.db").code == 0
    assert refold("verify", "--restore", backup, "--store", "shop.db").code == 0
    assert refold("restore", backup, "--store", "new.db").code == 0
    assert [each.name for each in odd.iterdir()] == ["a?b.backup"]


def test_sigterm_leaves_nothing_either(directory: Path) -> None:
    before = sorted(directory.iterdir())
    code = """
import os, signal
from refold.backup.drafts import workshop
from refold.cli import backup, main

def half_made(url, target, archive, tell):
    with workshop(target) as folder:
        (folder / "half").touch()
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

backup.back_up = half_made
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "backup", "b", "--store", "shop.db"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    said = "refold: stopped: 'b' was not written. The same command begins anew.\n"
    assert (done.returncode, done.stdout, done.stderr) == (130, "", said)
    assert sorted(directory.iterdir()) == before
