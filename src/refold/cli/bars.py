"""Progress bars, on stderr."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_UNITS: Final = {"check": "bytes", "pack": "bytes", "unpack": "bytes", "pages": "pages"}


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {task.fields['unit']}/s", "dim")


class Bars:
    """One bar a stage, each shown when it begins."""

    def __init__(self) -> None:
        self.progress = Progress(
            TextColumn("{task.description:<8}"), BarColumn(), TaskProgressColumn(), _Rate(), TimeRemainingColumn(),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._tasks: dict[str, TaskID] = {}

    def tell(self, stage: str, done: int, total: int) -> None:
        """How far a stage is."""
        if stage not in self._tasks:
            unit = _UNITS.get(stage, "events")
            self._tasks[stage] = self.progress.add_task(stage, total=total, completed=done, unit=unit)
        self.progress.update(self._tasks[stage], completed=done, total=total)
