"""The page of promises: `make guarantees` writes docs/reference/guarantees.md from what the last `make test` came to.

Nothing in it is written by hand.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from tests.guarantees.kept import keep, kept
from tests.guarantees.outcomes import COLUMNS, LAST, ROOT, Run, by_backend
from tests.guarantees.promises import NOT_PROMISED, PROMISES
from tests.mutants.mutants import MUTANTS

PAGE: Final = ROOT / "docs" / "reference" / "guarantees.md"
ABOUT: Final = """\
# Guarantees

What Refold promises, and what was done to prove it wrong. The page is written by `make guarantees`, from what came of the
tests that carry the number of the promise they keep; a test that was skipped counts for nothing.
"""
FIGURES: Final = """\
## Tests and figures

What each promise is put to the proof by, and what that came to. Most proofs are there twice: in a short form, in every run of
`make test`, and in a long one, which takes minutes to hours (`make test-long`): with the day when it ran last, on two cores.
A proof can be had again by its seed: `REFOLD_SEED=...` before pytest.
"""
PLANTED: Final = """\
## Faults planted on purpose

A check that no fault can fail proves nothing. Each of these is planted, and the check of the promise must find it.

| fault | what it does | breaks | |
|---|---|---|--:|"""


def page(run: Run, when: datetime) -> str:
    """The page as text."""
    lines = [ABOUT, *_head(run, when), *_rows(run), ""]
    lines += ["## Not promised", "", *(f"- {each}" for each in NOT_PROMISED), "", PLANTED, *_planted(run), ""]
    lines += [FIGURES, *(line for promise in PROMISES for line in _proof(promise, run))]
    return "\n".join(lines).rstrip() + "\n"


def _head(run: Run, when: datetime) -> Iterator[str]:
    said = Counter(outcome.outcome for outcome in run.outcomes)
    form = "long form" if any(outcome.long for outcome in run.outcomes) else "short form"
    yield (
        f"Last run: {when:%Y-%m-%d}, {form}, {said['passed']:,} tests passed, {said['failed']:,} failed, "
        f"{run.seconds / 60:.0f} minutes with all else that ran."
    )
    yield "*any*: the promise does not depend on the backend, or is tested apart from one."
    yield ""
    yield f"| | promise | {' | '.join(COLUMNS)} |"
    yield f"|---|---|{'--:|' * len(COLUMNS)}"


def _rows(run: Run) -> Iterator[str]:
    for promise, says in PROMISES.items():
        cells = [_cell(said, "passed", "failed") for said in by_backend(run.of(promise))]
        yield f"| [{promise}](#{promise.lower()}) | {says} | {' | '.join(cells)} |"


def _cell(said: Counter[str], good: str, bad: str) -> str:
    if said["failed"]:
        return f"**{said['failed']} {bad}**"
    return f"{said['passed']} {good}" if said["passed"] else ""


def _proof(promise: str, run: Run) -> Iterator[str]:
    """What keeps one promise: its tests, and what they came to."""
    outcomes = run.of(promise)
    long = [(test, each) for test, each in kept().items() if any(_is_of(line, promise) for line in each.figures)]
    files = {outcome.file for outcome in outcomes} | {test.partition("::")[0] for test, _ in long}
    figures = [
        *(("short", line) for each in outcomes if not each.long for line in each.figures),
        *(
            ("long ", f"{line}  {each.outcome} {each.day}, {each.minutes:g} min")
            for _, each in long
            for line in each.figures
        ),
    ]
    yield f"### {promise}"
    yield ""
    yield PROMISES[promise]
    yield ""
    yield f"Tests: {', '.join(map(_linked, _ordered(files))) or 'none'}."
    yield ""
    yield from _block(f"{form}  {_without(line, promise)}" for form, line in figures if _is_of(line, promise))


def _is_of(line: str, promise: str) -> bool:
    return line.split()[1] == promise


def _without(line: str, promise: str) -> str:
    return line.removeprefix(f"GUARANTEE {promise} ")


def _ordered(files: Iterable[str]) -> Sequence[str]:
    """The rooms of the promises before others."""
    return sorted(files, key=lambda file: (not file.startswith("tests/guarantees/"), file))


def _linked(file: str) -> str:
    return f"[{file.removeprefix('tests/')}](../../{file})"


def _block(lines: Iterable[str]) -> Iterator[str]:
    found = sorted(set(lines), key=lambda line: (not line.startswith("short"), line))
    if found:
        yield from ("```text", *found, "```", "")


def _planted(run: Run) -> Iterator[str]:
    for name, mutant in MUTANTS.items():
        said = Counter(outcome.outcome for outcome in run.outcomes if name in outcome.mutants)
        yield f"| {name} | {mutant.does} | {mutant.breaks} | {_cell(said, 'found it', 'missed it')} |"


def left_out(run: Run) -> Sequence[str]:
    """The promises and planted faults of which no test ran: a page without them would be worse than an old one."""
    ran = {name for outcome in run.outcomes for name in (*outcome.promises, *outcome.mutants)}
    return [name for name in (*PROMISES, *MUTANTS) if name not in ran]


def main() -> str | int:
    """Write the page, and say what is missing or did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="said", type=Path, default=LAST, help="what `pytest --promises FILE` wrote")
    parser.add_argument("--keep", type=Path, nargs="*", default=(), help="the same of long forms, to be kept beside")
    options = parser.parse_args()
    today = datetime.now(UTC)
    for each in options.keep:
        keep(msgspec.json.decode(each.read_bytes(), type=Run), today.date())
    if not options.said.exists():
        return f"{options.said} is not there: `make test` writes it."
    run = msgspec.json.decode(options.said.read_bytes(), type=Run)
    if missing := left_out(run):
        return f"No test of {', '.join(missing)} ran, so the page stays as it is: run `make test` whole."
    keep(run, today.date())
    PAGE.write_text(page(run, today), "utf-8")
    return any(outcome.outcome == "failed" for outcome in run.outcomes)


if __name__ == "__main__":
    sys.exit(main())
