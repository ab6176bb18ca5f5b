"""How much memory it takes to read or project a long history: how far the resident set of a fresh process grows.

`python -m benchmarks.remembering read|project URL` is that process.
"""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.environments import ROOT
from benchmarks.marks import Mark, Row
from benchmarks.refold_runs import sums
from benchmarks.rounds import Pace
from benchmarks.subject import DEPOSITED, Deposited
from refold import Store


def remembered(store: str, place: Callable[[], str], events: int, pace: Pace) -> Iterator[Row]:
    """The rows of one store."""
    url = place()
    with Store.open(url) as opened:
        for first in range(0, events, 1_000):
            opened.append(f"account-{first // 1_000}", [DEPOSITED] * 1_000)
    for what in ("read", "project"):
        figures = [_measured(what, url, events) for _ in range(pace.rounds if what == "read" else 1)]
        verdict = f"all {events:,} events were {what}{'ed' if what == 'project' else ''}"
        yield Row(
            f"memory/{what}", f"{what} {events:,} events, growth", store, "MB", figures,
            marks=[Mark(50, "limit")], verdict=verdict,
        )  # fmt: skip


def _measured(what: str, url: str, events: int) -> float:
    command = [sys.executable, "-m", "benchmarks.remembering", what, url]
    count, growth = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert int(count) == events, f"{count} of {events} events came"
    return float(growth)


def _peak() -> float:
    """The largest that this process has been, in MB.

    What `getrusage` says begins with the size of the parent, so Linux is asked otherwise.
    """
    if platform.system() == "Linux":
        (line,) = (each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM"))
        return int(line.split()[1]) * 1_024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1_024) / 1e6


def main() -> None:
    """Read or project, and print how many events and how many MB."""
    what, url = sys.argv[1:]
    with Store.open(url, events=[Deposited]) as store:
        assert len(list(store.read(limit=1))) == 1
        before = _peak()
        if what == "read":
            count = sum(1 for _ in store.read())
        else:
            store.catch_up(sums)
            count = int(str(store.query("select sum(amount) from sums")[0][0]))
    print(count, f"{_peak() - before:.2f}")


if __name__ == "__main__":
    main()
