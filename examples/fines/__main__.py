"""The demo: a hundred real fines, lived through once more beside the office that decided about them."""

from __future__ import annotations

from typing import Final

from examples.fines.comparing import WHY, agreements, differences
from examples.fines.log import LOG, SOURCE, happened
from examples.fines.process import COLLECTION_AFTER, NOTICE_AFTER, PENALTY_AFTER
from examples.fines.shadow import lived_through
from rich.console import Console
from rich.table import Table

RULES: Final = f"""
The process sends a notice after {NOTICE_AFTER.days} days, or agrees to one that the office sends before, if the fine is unpaid;
adds the penalty {PENALTY_AFTER.days} days after the notice was received; sends for collection {COLLECTION_AFTER.days} days later.
"""


def main() -> None:
    """Compare, and print what came of it; or say that the log is not there."""
    if not LOG.is_file():
        print(f"skipped: {LOG} is not there. It is a part of a public log: {SOURCE}.")
        return
    facts, console = happened(), Console(highlight=False)
    cases = lived_through(facts)
    console.print(
        f"\n{len(facts)} facts about {len(cases)} fines, {facts[0].at:%Y} to {facts[-1].at:%Y}, on a clock that goes by them."
    )
    console.print(RULES)
    table = Table(
        "decision", "by both", "same day", "office later by", "only the office", "only the process", "neither", box=None
    )
    for each in agreements(cases.values()):
        numbers = (each.only_office, each.only_process, each.neither)
        table.add_row(each.what, str(each.both), str(each.same_day), each.lateness, *map(str, numbers))
    console.print(table)
    console.print("\nWhere they differ, and what the data show of it:\n")
    for (what, kind), names in differences(cases.values()).items():
        console.print(f"{what}, {kind}: {len(names)}, such as {names[0]}\n    {WHY[kind]}")


if __name__ == "__main__":
    main()
