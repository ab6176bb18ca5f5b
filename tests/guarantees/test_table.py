"""The table of promises says what the tests say: each number means one sentence, and what failed or was skipped shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tests.guarantees.kept import Kept, keep, kept
from tests.guarantees.outcomes import ROOT, Outcome, Run, backend_of
from tests.guarantees.promises import PROMISES
from tests.guarantees.recording import told
from tests.guarantees.table import PAGE, left_out, main, page
from tests.mutants.mutants import MUTANTS

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


def marked(mark: str) -> set[str]:
    """Every name that a test of ours, or of the contract, carries by this mark."""
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "src/refold/testing").rglob("*.py")]
    return {found for file in files for found in re.findall(mark, file.read_text("utf-8"))}


def test_every_promise_has_tests_and_every_number_is_a_promise() -> None:
    assert marked(r'mark\.guarantee\("(G\d+)"\)') == set(PROMISES)


def test_every_fault_is_planted_somewhere_and_every_one_that_is_planted_is_in_the_list() -> None:
    assert marked(r'mark\.mutant\("([a-z-]+)"\)') == set(MUTANTS)


def test_the_page_lists_the_promises_as_they_are() -> None:
    assert re.findall(r"^\| \[(G\d+)\]\(#g\d+\) \| (.+?) \|", PAGE.read_text("utf-8"), re.MULTILINE) == list(
        PROMISES.items()
    )


@pytest.mark.parametrize(
    ("test", "backend"),
    [
        ("src/a.py::TestSqliteInMemory::test_x", "SQLite"),
        ("tests/postgres/test_order.py::test_x", "PostgreSQL"),
        ("tests/nats/test_x.py::test_y[1]", "JetStream"),
        ("tests/contract/test_memory.py::TestMemory::test_x", "memory"),
        ("tests/faults/test_x.py::test_y[postgresql]", "PostgreSQL"),
        ("tests/postgres/test_x.py::test_against_sqlite", "SQLite"),
        ("tests/unit/test_x.py::test_y", "any"),
    ],
)
def test_the_name_of_a_test_tells_its_backend(test: str, backend: str) -> None:
    assert backend_of(test) == backend


def test_what_is_kept_of_long_forms_is_of_tests_that_there_are() -> None:
    for test in kept():
        file, *_, name = test.split("::")
        assert f"def {name.partition('[')[0]}(" in (ROOT / file).read_text("utf-8"), test


def test_long_forms_are_kept_with_their_day_and_the_page_tells_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.guarantees.kept.FILE", tmp_path / "long.json")
    long = Outcome(("G2",), "t.py::test_l", "passed", ("GUARANTEE G2 sqlite cuts=1000",), long=True, seconds=90)
    keep(Run(0, (long, Outcome(("G2",), "t.py::test_s", "passed", ("GUARANTEE G2 sqlite cuts=3",)))), WHEN.date())
    assert kept() == {"t.py::test_l": Kept(WHEN.date(), 1.5, "passed", ("GUARANTEE G2 sqlite cuts=1000",))}
    keep(Run(0, (msgspec.structs.replace(long, outcome="failed"),)), WHEN.date())
    assert "```text\nlong   sqlite cuts=1000  failed 2026-01-02, 1.5 min\n```" in page(Run(0, ()), WHEN)


def test_a_failure_shows_and_what_was_skipped_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.guarantees.kept.FILE", tmp_path / "none.json")
    outcomes = (
        Outcome(("G1",), "t.py::test_a[sqlite]", "passed", ("GUARANTEE G1 sqlite cuts=3",)),
        Outcome(("G1", "G2"), "t.py::test_b[sqlite]", "passed"),
        Outcome(("G2",), "t.py::test_c[sqlite]", "failed"),
        Outcome(("G1",), "t.py::test_d[postgres]", "skipped"),
        Outcome((), "t.py::test_e", "passed", mutants=("lying-fsync",)),
        Outcome((), "t.py::test_f", "failed", mutants=("spurious-conflict",)),
    )
    text = page(Run(90, outcomes), WHEN)
    assert f"| [G1](#g1) | {PROMISES['G1']} | 2 passed |  |  |  |  |" in text
    assert f"| [G2](#g2) | {PROMISES['G2']} | **1 failed** |  |  |  |  |" in text
    assert "Tests: [t.py](../../t.py).\n\n```text\nshort  sqlite cuts=3\n```\n" in text
    assert "| lying-fsync | the disk says that it has written, and has not | G2 | 1 found it |" in text
    assert "| spurious-conflict | a conflict is told where there is none | G5 | **1 missed it** |" in text
    assert "Last run: 2026-01-02, short form, 3 tests passed, 2 failed, 2 minutes with all else that ran." in text


def test_a_terminal_is_told_the_table_too() -> None:
    outcomes = (Outcome(("G1",), "t.py::test_a[sqlite]", "passed"), Outcome(("G2",), "t.py::test_c[nats]", "failed"))
    lines = [line.split() for line in told(Run(0, outcomes))]
    assert lines[0] == ["SQLite", "PostgreSQL", "JetStream", "memory", "any"]
    assert lines[1] == ["G1", "1", *PROMISES["G1"].split()]
    assert lines[2] == ["G2", "1", "failed", *PROMISES["G2"].split()]
    assert len(lines) == 1 + len(PROMISES)


def test_the_page_stays_as_it_is_after_a_run_of_some_of_the_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, file = PAGE.read_bytes(), tmp_path / "promises.json"
    run = Run(9, tuple(Outcome((promise,), "t.py::test_x", "passed") for promise in PROMISES if promise != "G7"))
    file.write_bytes(msgspec.json.encode(run))
    monkeypatch.setattr(sys, "argv", ["table", "--from", str(file)])
    assert left_out(run) == ["G7", *MUTANTS]
    assert str(main()).startswith("No test of G7, autocommit-per-event, ")
    monkeypatch.setattr(sys, "argv", ["table", "--from", str(tmp_path / "none.json")])
    assert main() == f"{tmp_path}/none.json is not there: `make test` writes it."
    assert PAGE.read_bytes() == before


SOME = """
import pytest

@pytest.mark.guarantee("G1")
def test_good():
    print("GUARANTEE G1 sqlite cuts=3")

@pytest.mark.guarantee("G2")
def test_bad():
    assert False

@pytest.mark.mutant("lying-fsync")
def test_found(): ...

def test_other(): ...

@pytest.mark.guarantee("G3")
class Room:
    def test_in_a_room(self): ...

class OtherRoom:
    def test_in_another(self): ...

class TestHouse(Room, OtherRoom): ...
"""


def test_what_becomes_of_a_test_is_taken_down_with_the_figures_that_it_printed(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(SOME)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n guarantee(id): x\n mutant(name): y\n")
    command = [sys.executable, "-m", "pytest", "-n", "1", "-p", "tests.guarantees.recording", "--promises", "said.json"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert re.search(rf"^G2  +1 failed  {PROMISES['G2']}$", ended.stdout, re.MULTILINE)
    assert set(msgspec.json.decode((tmp_path / "said.json").read_bytes(), type=Run).outcomes) == {
        Outcome(("G1",), "test_some.py::test_good", "passed", ("GUARANTEE G1 sqlite cuts=3",)),
        Outcome(("G2",), "test_some.py::test_bad", "failed"),
        Outcome((), "test_some.py::test_found", "passed", mutants=("lying-fsync",)),
        Outcome(("G3",), "test_some.py::TestHouse::test_in_a_room", "passed"),
    }
