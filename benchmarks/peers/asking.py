"""How a peer is asked and how it answers: a line of JSON each, over the pipes of its process.

The first line it writes says what it is. Then each line it reads is an `Asked`, and it answers with what came of it:
`seconds`, `units`, `laps` (seconds of each call); or `lost`, what its verdict found missing; or `failed`, what it raised.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from benchmarks.measuring import Clock, Lost

NOTE = "hello world, some text"
"""With an amount, the fifty bytes of every event."""


@dataclass(frozen=True)
class Asked:
    """A piece of work.

    `work` is append, load, project, read or command. `count`: how many units; of append and command so many calls.
    `batch`: events of each append. `clients`: threads or tasks, whichever the library is made for. `hot`: all on one stream.
    `mode`: which of the library's ways, if it has several.
    """

    work: str
    place: str
    count: int
    clients: int = 1
    batch: int = 1
    hot: bool = False
    mode: str = ""


Doing: TypeAlias = Callable[[Asked, Clock], int]
"""Does it, judges it, and says how many units were done."""


def answer(works: Mapping[str, Doing], asked: Asked) -> dict[str, Any]:
    """What came of it."""
    clock = Clock()
    try:
        units = works[asked.work](asked, clock)
    except Lost as lost:
        return {"lost": str(lost)}
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is its answer
        return {"failed": f"{type(error).__name__}: {error}"}
    return {"units": units, "seconds": clock.seconds, "laps": clock.laps}


def serve(versions: Mapping[str, str], works: Mapping[str, Doing]) -> None:
    """Answer until nobody asks any more. What the library prints goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    print(json.dumps({"versions": versions, "works": sorted(works)}), file=answers)
    for line in sys.stdin:
        print(json.dumps(answer(works, Asked(**json.loads(line)))), file=answers)
