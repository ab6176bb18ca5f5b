"""Review: all rules over an application, and what its code says of findings that are meant to be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from refold.app import App
from refold.architect.finding import Finding, Stored
from refold.architect.model import Model, derive
from refold.architect.parts import Place
from refold.architect.rules.catalogue import RULES

_MARK: Final = re.compile(r"#\s*refold:\s*ignore\[(?P<ids>[A-Z0-9, ]+)\](?:\s+reason=(?P<reason>\S.*))?")
_OURS: Final = "refold.flows."
"""What an application may have as a part of it, and can neither mend nor silence."""
WITHOUT_REASON: Final = "ES000"


def review(app: App, *, stored: Stored | None = None) -> Sequence[Finding]:
    """All findings about an application, by their place; `stored`: what its store holds, for the rules that ask for that.

    `# refold: ignore[ES042] reason=...` on a line, or on the line of the definition, silences a rule there. Without a reason it
    does not, and is a finding itself.
    """
    return reviewed(derive(app), stored)


def reviewed(model: Model, stored: Stored | None = None) -> Sequence[Finding]:
    """The same of a model that was derived before."""
    found = dict.fromkeys(finding for rule in RULES.values() for finding in rule.findings(model, stored))
    kept = [each for each in found if not each.place.object.startswith(_OURS) and not _is_ignored(each, model)]
    return sorted(
        (*kept, *_without_reason(model)), key=lambda each: (each.place.file, each.place.line, each.rule, each)
    )


def _is_ignored(finding: Finding, model: Model) -> bool:
    places = {finding.place, *(code.place for code in model.code if code.place.object == finding.place.object)}
    return any(
        finding.rule in ids and reason for place in places for _, ids, reason in _marks(place.file, _around(place))
    )


def _around(place: Place) -> tuple[int, ...]:
    return (place.line, *(_decorators(place.file, place.line) if place.line else ()))


def _decorators(file: str, line: int) -> Iterator[int]:
    """The lines of decorators that stand right above a definition."""
    lines = _lines(file)
    above = line - 1
    while 0 < above <= len(lines) and lines[above - 1].lstrip().startswith(("@", "#")):
        yield above
        above -= 1


def _marks(file: str, numbers: Sequence[int]) -> Iterator[tuple[int, frozenset[str], str]]:
    lines = _lines(file)
    for number in numbers:
        if 0 < number <= len(lines) and (mark := _MARK.search(lines[number - 1])):
            ids = frozenset(each.strip() for each in mark["ids"].split(","))
            yield number, ids, (mark["reason"] or "").strip()


def _without_reason(model: Model) -> Iterator[Finding]:
    files = {code.place.file for code in model.code} | {each.place.file for each in (*model.events, *model.commands)}
    for file in sorted(files):
        for number, ids, reason in _marks(file, range(1, len(_lines(file)) + 1)):
            if not reason:
                yield Finding(
                    WITHOUT_REASON,
                    "fact",
                    "comment",
                    f"ignore[{', '.join(sorted(ids))}] gives no reason, and so silences nothing.",
                    "Write reason=..., for whoever reads it next.",
                    Place(file, number, ""),
                )


def _lines(file: str) -> Sequence[str]:
    try:
        return _read(file, Path(file).stat().st_mtime_ns) if file else ()
    except OSError:
        return ()


@lru_cache(maxsize=64)
def _read(file: str, stamp: int) -> Sequence[str]:  # noqa: ARG001 - a file that has changed is read again
    return Path(file).read_text("utf-8", errors="replace").splitlines()
