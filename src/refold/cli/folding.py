"""The other process of `--code`: folds a stream, or decides again, by the code in its working directory.

It is asked on stdin, and answers with one line of JSON for each state (before the first event, and after each version) or
for each decision. Its argument is the directory in which the command was given, from which the store is opened.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from refold.app import App
from refold.cli.apps import application, file_of
from refold.cli.decisions import Decisions
from refold.cli.exits import code_of
from refold.cli.options import opened
from refold.cli.other_code import Asked, AskedDecisions
from refold.cli.states import States
from refold.errors import RefoldError, UsageError
from refold.flows.whatif import Hypothesis
from refold.messages import Position
from refold.patching import comparable
from refold.store import Store


def main() -> int:
    """Answer, and give the exit code."""
    asked: Asked | AskedDecisions = msgspec.json.decode(sys.stdin.buffer.read(), type=Asked | AskedDecisions)
    here = Path.cwd()
    sys.path[:0] = [str(here), str(here / "src")]
    try:
        app = _application(here, asked.app)
        os.chdir(sys.argv[1])
        with opened(asked.store, asked.archive) as store:
            _fold(store, app, asked) if isinstance(asked, Asked) else _decide(store, app, asked)
    except RefoldError as error:
        sys.stderr.write(f"{error}\n")
        return code_of(error)
    return 0


def _application(here: Path, name: str) -> App | None:
    """That of the code here: what is installed must not pass for what was asked for."""
    app, found = application(name), file_of(name)
    if found is None or not found.resolve().is_relative_to(here.resolve()):
        raise UsageError(f"the module of {name!r} is not there: {found} would be taken in its place.")
    return app


def _fold(store: Store, app: App | None, asked: Asked) -> None:
    states = States(store, asked.stream, app)
    hypothesis = Hypothesis(states.fold, asked.edits.read_by(states.fold))
    hypothesis.after(0, ())
    _tell(hypothesis.state)
    for version, events, _ in states.versions(asked.until):
        hypothesis.after(version, [event.data for event in events])
        _tell(hypothesis.state)


def _tell(state: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(comparable(state)) + b"\n")


def _decide(store: Store, app: App | None, asked: AskedDecisions) -> None:
    for decision in Decisions(store, app, asked.subject, Position(asked.until)):
        sys.stdout.buffer.write(msgspec.json.encode(decision) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
