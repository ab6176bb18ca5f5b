"""A plugin of pytest: what became of the tests that carry a promise, and the figures that they printed, as JSON.

`pytest --promises FILE`, with or without workers. `make test` asks for it; the table is told at the end of the run.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.guarantees.outcomes import COLUMNS, Outcome, Run, by_backend
from tests.guarantees.promises import PROMISES

KINDS = ("guarantee", "mutant")
"""The marks that are taken down."""


class Recorder:
    """Takes down what the reports say."""

    def __init__(self, file: Path) -> None:
        self._file, self._found, self._began = file, list[Outcome](), time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """What a test's call, or a phase of it that did not pass, says."""
        promises, mutants = (
            tuple(str(value) for name, value in report.user_properties if name == kind) for kind in KINDS
        )
        if (promises or mutants) and (report.when == "call" or not report.passed):
            figures = tuple(line for line in report.capstdout.splitlines() if line.startswith("GUARANTEE "))
            is_long = any(name == "long" for name, _ in report.user_properties)
            seconds = round(report.duration, 1) if is_long else 0
            self._found.append(
                Outcome(promises, report.nodeid, report.outcome, figures, mutants, long=is_long, seconds=seconds)
            )

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write it down, and tell the table."""
        run = Run(round(time.monotonic() - self._began, 1), tuple(self._found))
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_bytes(msgspec.json.encode(run))
        terminalreporter.section("guarantees")
        for line in told(run):
            terminalreporter.write_line(line)
        terminalreporter.write_line(
            f"Their figures: {self._file}. `make guarantees` writes the page of the documentation."
        )


def told(run: Run) -> Iterator[str]:
    """The table for a terminal: how many tests of each promise passed, on which backend."""
    yield "   " + "".join(f" {column:>10}" for column in COLUMNS)
    for promise, says in PROMISES.items():
        yield f"{promise:3}" + "".join(f" {_cell(said):>10}" for said in by_backend(run.of(promise))) + f"  {says}"


def _cell(said: Counter[str]) -> str:
    return f"{said['failed']} failed" if said["failed"] else str(said["passed"] or "")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--promises", type=Path, help="write what became of tests that carry a promise to this file")


def pytest_configure(config: pytest.Config) -> None:
    file: Path | None = config.getoption("--promises")
    if file is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(file))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A report knows no markers, and comes from another process."""
    for item in items:
        if isinstance(item, pytest.Function):
            item.user_properties += [(kind, name) for kind in KINDS for name in marked(item, kind)]
            if item.get_closest_marker("long"):
                item.user_properties.append(("long", True))


def marked(item: pytest.Function, kind: str) -> list[str]:
    """What a test carries: by marks of its own, of the class that it was written in, or of its module.

    A test class of the contract is made of many rooms, and pytest gives the marks of each room to the tests of all.
    """
    written_in = [cls for cls in item.cls.__mro__ if item.originalname in vars(cls)][:1] if item.cls else []
    places = [vars(place) for place in (item.function, *written_in, *([item.cls] if item.cls else ()), item.module)]
    marks = [mark for place in places for mark in _listed(place.get("pytestmark", []))]
    return sorted({str(mark.args[0]) for mark in marks if mark.name == kind})


def _listed(marks: Any) -> list[pytest.Mark]:
    found = marks if isinstance(marks, list) else [marks]
    return [mark.mark if isinstance(mark, pytest.MarkDecorator) else mark for mark in found]
