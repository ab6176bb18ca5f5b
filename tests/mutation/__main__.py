"""Mutation tests on the pure core: `python -m tests.mutation [ROOM ...]` changes it in thousands of places, one at a time.

Each change has to fail a test. Exits 1 if in any room fewer are killed than the mark says. What survived is shown, with
`--page` the scores are written into docs/explanation/mutation.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.mutation.core import CORE, SECONDS, TESTS
from tests.mutation.planting import ROOT, planted
from tests.mutation.telling import Scores, kept, scores_of, survivors, table, written

HERE: Final = ROOT / "build" / "mutation"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "rooms", nargs="*", default=CORE, metavar="ROOM", help="query, copying/digests ...; without, all"
    )
    parser.add_argument("--tests", nargs="+", default=TESTS, help="ask these alone, while you write them")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of CPU for the tests of one mutant")
    parser.add_argument("--known", action="store_true", help="do not learn anew what each test touches")
    parser.add_argument("--at", type=Path, default=HERE, help="where the copy is made, and what was found is kept")
    parser.add_argument("--page", action="store_true", help="write the scores into the documentation")
    asked = parser.parse_args()
    at: Path = asked.at.absolute()
    scores = tried(at, asked.rooms, asked.tests, seconds=asked.seconds, known=asked.known)
    print("\n".join(table(scores)))
    print(f"\nWhat survived, line by line: {at / 'survivors.txt'}")
    if asked.page:
        written(kept(scores, at / "scores.json"))
    return int(any(score.is_below_the_mark for score in scores))


def tried(at: Path, rooms: Sequence[str], tests: Sequence[str], *, seconds: float, known: bool) -> Scores:
    """Plant, try, and read what came of it."""
    changes = planted(
        at / "tree", dict.fromkeys((*CORE, *rooms))
    )  # all, so that what is learnt of the tests holds for all
    plan, found = at / "plan.json", at / "found.json"
    plan.write_text(json.dumps({room: list(changes[room]) for room in rooms}), "utf-8")
    found.unlink(missing_ok=True)
    if not known:
        (at / "lessons").unlink(missing_ok=True)
    _run(at / "tree", f"--plan={plan}", f"--found={found}", f"--seconds={seconds}", *tests)
    verdicts = json.loads(found.read_text("utf-8"))
    (at / "survivors.txt").write_text(survivors(verdicts, changes), "utf-8")
    return scores_of(verdicts, datetime.now(UTC).date())


def _run(tree: Path, *arguments: str) -> None:
    """In a process of its own, whose `refold` is the copy."""
    without = ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "timeout=0", "--assert=plain"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.mutation.trying", *without, *arguments]
    path = os.pathsep.join([str(tree / "src"), str(tree)])
    subprocess.run(command, cwd=tree, env={**os.environ, "PYTHONPATH": path}, check=True)


if __name__ == "__main__":
    sys.exit(main())
