"""Mutation tests on the pure core: `python -m tests.mutation [ROOM ...]` changes it in thousands of places, one at a time.

Each change has to fail a test of its room. Exits 1 if in any room fewer are killed than the mark says. What survived is
written down; with `--page` the scores are put into docs/explanation/mutation.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Final

from tests.mutation.core import ROOMS
from tests.mutation.planting import ROOT, copied, planted
from tests.mutation.telling import Scores, kept, score_of, survivors, written

HERE: Final = ROOT / "build" / "mutation"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", nargs="*", default=list(ROOMS), metavar="ROOM", help="query, fold ...; without, all")
    parser.add_argument("--at", type=Path, default=HERE, help="where the copy is made, and what was found is kept")
    parser.add_argument("--page", action="store_true", help="write the scores into the documentation")
    asked = parser.parse_args()
    at: Path = asked.at.absolute()
    scores = tried(at, asked.rooms)
    everything = kept(scores, at / "scores.json")
    if asked.page:
        written(everything)
    print(f"What survived, line by line: {at}/*.survived")
    return int(any(score.is_below_the_mark for score in scores))


def tried(at: Path, rooms: Sequence[str]) -> Scores:
    """Plant the rooms' mutants, and try each: what became of them."""
    copied(at / "tree")
    changes = {room: planted(at / "tree", room) for room in rooms}
    tests = {room: [f"tests/{file}" for file in ROOMS[room].split()] for room in rooms}
    plan, found = at / "plan.json", at / "found.json"
    plan.write_text(json.dumps({room: (tests[room], list(changes[room])) for room in rooms}), "utf-8")
    found.unlink(missing_ok=True)
    _run(at / "tree", f"--plan={plan}", f"--found={found}", *dict.fromkeys(chain(*tests.values())))
    verdicts: dict[str, dict[str, str]] = json.loads(found.read_text("utf-8"))
    for room in rooms:
        (at / f"{room.replace('/', '.')}.survived").write_text(survivors(verdicts[room], changes[room]), "utf-8")
    return [score_of(room, verdicts[room], datetime.now(UTC).date()) for room in rooms]


def _run(tree: Path, *arguments: str) -> None:
    """In a process of its own, whose `refold` is the copy, and which knows no plugins but these: each fork pays for all."""
    plugins = ["pytest_asyncio.plugin", "pytest_timeout", "_hypothesis_pytestplugin", "tests.mutation.trying"]
    options = ["-p", "no:cacheprovider", "-o", "timeout=0", "--assert=plain", *(f"-p{plugin}" for plugin in plugins)]
    path = os.pathsep.join([str(tree / "src"), str(tree)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", *options, *arguments]
    subprocess.run(command, cwd=tree, env=environment, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
