"""The table of promises: `python -m tests.guarantees.table [--long]` puts them all to the proof, and writes what came of it.

Nothing in docs/reference/guarantees.md is written by hand.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from tests.guarantees.kept import keep, kept
from tests.guarantees.promises import NOT_PROMISED, PROMISES
from tests.guarantees.recording import Outcome, Run
from tests.mutants.mutants import MUTANTS

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reference" / "guarantees.md"
BACKENDS: Final = {
    "SQLite": ("sqlite",),
    "PostgreSQL": ("postgres",),
    "JetStream": ("nats", "jetstream"),
    "memory": ("memory",),
}
"""How a test's name tells which of them it runs on; the first that it names, as SQLite in memory is SQLite."""


def backend_of(test: str) -> str:
    """The backend that a test runs on, by its name: what is given to it says more than where it stands."""
    file, _, name = test.partition("::")
    for text in (name.lower(), file.lower()):
        for backend, words in BACKENDS.items():
            if any(word in text for word in words):
                return backend
    return "any"


def proven(file: Path, arguments: Sequence[str]) -> None:
    """Put every promise to the proof, and have written down what came of it."""
    command = [sys.executable, "-m", "pytest", "-n", "2", "-q", "-p", "tests.guarantees.recording"]
    subprocess.run([*command, "--promises", str(file), *arguments], cwd=ROOT, check=False)


def page(run: Run, when: datetime, form: str) -> str:
    """The page as text."""
    found = run.outcomes
    lines = [*_head(run, when, form), *_rows(found), "", *_figures(found), *_long(), *_planted(found), *_beyond()]
    return "\n".join(lines) + "\n"


def _head(run: Run, when: datetime, form: str) -> Iterator[str]:
    said = Counter(outcome.outcome for outcome in run.outcomes)
    yield "# Guarantees"
    yield ""
    yield "What Refold promises, and what was done to prove it wrong. The page is written by `python -m tests.guarantees.table`,"
    yield "from tests that carry the number of the promise they keep; a test that was skipped counts for nothing."
    yield ""
    yield (
        f"Last run: {when:%Y-%m-%d}, {form}, {said['passed']:,} tests passed, {said['failed']:,} failed, "
        f"{run.seconds / 60:.0f} minutes with all else that ran."
    )
    yield "*any*: the promise does not depend on the backend, or is tested apart from one."
    yield ""
    yield f"| | promise | {' | '.join(BACKENDS)} | any |"
    yield f"|---|---|{'--:|' * (len(BACKENDS) + 1)}"


def _rows(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for promise, says in PROMISES.items():
        mine = [outcome for outcome in outcomes if promise in outcome.promises]
        cells = [_cell([one for one in mine if backend_of(one.test) == backend]) for backend in (*BACKENDS, "any")]
        yield f"| {promise} | {says} | {' | '.join(cells)} |"


def _cell(outcomes: Sequence[Outcome]) -> str:
    said = Counter(outcome.outcome for outcome in outcomes)
    if said["failed"]:
        return f"**{said['failed']} failed**"
    return f"{said['passed']} passed" if said["passed"] else ""


def _figures(outcomes: Sequence[Outcome]) -> Iterator[str]:
    lines = {_told(line) for outcome in outcomes if not outcome.long for line in outcome.figures}
    if lines:
        yield "## Figures of that run"
        yield ""
        yield "Each with its seed, by which it can be had again: `REFOLD_SEED=...` before pytest."
        yield ""
        yield from _block(lines)


def _long() -> Iterator[str]:
    yield "## Figures of the long forms"
    yield ""
    yield "`make test-long` takes hours. Here is what each came to when it ran last, on two cores."
    yield ""
    yield from _block(
        f"{_told(line)}  {came.outcome}, {came.day}, {came.minutes:g} min"
        for came in kept().values()
        for line in came.figures
    )


def _block(lines: Iterable[str]) -> Iterator[str]:
    yield "```text"
    yield from sorted(lines, key=lambda line: (int(line[1:].split()[0]), line))  # G2 before G10
    yield "```"
    yield ""


def _told(line: str) -> str:
    return line.removeprefix("GUARANTEE ")


def _planted(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "## Faults planted on purpose"
    yield ""
    yield "A check that no fault can fail proves nothing. Each of these is planted, and the check of the promise must find it."
    yield ""
    yield "| fault | what it does | breaks | |"
    yield "|---|---|---|--:|"
    for name, mutant in MUTANTS.items():
        found = _cell([outcome for outcome in outcomes if name in outcome.mutants]).replace("passed", "found it")
        yield f"| {name} | {mutant.does} | {mutant.breaks} | {found.replace('failed', 'missed it')} |"
    yield ""


def _beyond() -> Iterator[str]:
    yield "## Not promised"
    yield ""
    yield from (f"- {each}" for each in NOT_PROMISED)


def main() -> None:
    """Prove, unless that was done, write, and say whether all held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="with the long tests, for hours")
    parser.add_argument("--from", dest="said", type=Path, help="what `--promises FILE` wrote in another run")
    parser.add_argument(
        "--keep", type=Path, nargs="*", default=(), help="the same of long forms, to be kept; no more is done"
    )
    options = parser.parse_args()
    for each in options.keep:
        keep(msgspec.json.decode(each.read_bytes(), type=Run), datetime.now(UTC).date())
    if options.keep:
        return
    with tempfile.TemporaryDirectory() as place:
        file: Path = options.said or Path(place) / "promises.json"
        if options.said is None:
            carry = "(guarantee or mutant)"
            proven(file, ["-m", carry if options.long else f"{carry} and not long"])
        run = msgspec.json.decode(file.read_bytes(), type=Run)
    keep(run, datetime.now(UTC).date())
    PAGE.write_text(page(run, datetime.now(UTC), "long form" if options.long else "short form"), "utf-8")
    sys.exit(any(outcome.outcome == "failed" for outcome in run.outcomes))


if __name__ == "__main__":
    main()
