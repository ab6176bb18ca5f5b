"""The other process of `--code`: folds a stream, or decides again, by the code in its working directory.

It is asked on stdin, and answers with one line of JSON for each state (before the first event, and after each version) or
for each decision.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from refold.cli.apps import application, file_of
from refold.cli.decisions import Decisions
from refold.cli.exits import code_of
from refold.cli.options import reading
from refold.cli.other_code import Asked, AskedDecisions
from refold.cli.states import States
from refold.errors import RefoldError, UsageError
from refold.flows.whatif import Hypothesis
from refold.messages import Position
from refold.patching import comparable


def main() -> int:
    """Answer, and give the exit code."""
    asked: Asked | AskedDecisions = msgspec.json.decode(sys.stdin.buffer.read(), type=Asked | AskedDecisions)
    here = Path.cwd()
    sys.path[:0] = [str(here), str(here / "src")]
    try:
        _check_is_from(here, asked.app)
        _fold(asked) if isinstance(asked, Asked) else _decide(asked)
    except RefoldError as error:
        sys.stderr.write(f"{error}\n")
        return code_of(error)
    return 0


def _check_is_from(here: Path, app: str) -> None:
    """What is installed must not pass for what was asked for."""
    application(app)
    found = file_of(app)
    if found is None or not found.resolve().is_relative_to(here.resolve()):
        raise UsageError(f"the module of {app!r} is not there: {found} would be taken in its place.")


def _fold(asked: Asked) -> None:
    with reading(asked.store) as store:
        states = States(store, asked.stream, asked.app)
        hypothesis = Hypothesis(states.fold, asked.edits.read_by(states.fold))
        hypothesis.after(0, ())
        _tell(hypothesis.state)
        for version, events, _ in states.versions(asked.until):
            hypothesis.after(version, [event.data for event in events])
            _tell(hypothesis.state)


def _tell(state: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(comparable(state)) + b"\n")


def _decide(asked: AskedDecisions) -> None:
    with reading(asked.store) as store:
        for decision in Decisions(store, asked.app, asked.subject, Position(asked.until)):
            sys.stdout.buffer.write(msgspec.json.encode(decision) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
