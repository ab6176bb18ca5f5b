"""Pages: what there is to know of a rule, as Markdown. The page of the reference is made of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from refold.architect.finding import Rule
from refold.architect.rules.catalogue import ELSEWHERE, RULES

_TOP: Final = """# Rules

What [`refold review`](../how-to/review-an-application.md) looks for. A **fact** is so, and is wrong: it fails a build. A
**heuristic** is worth a look: it warns. A rule of the tier **runtime** looks into a store. `refold rule ES042` prints one of
them. In the programs the imports are left out; tests run the rule over both.

`# refold: ignore[ES042] reason=...` on the line, or on that of the definition, silences a rule there. The reason must be
given: without one the comment silences nothing, and is a finding itself, ES000.

This page is made from the rules: `python -m tests.architect.page`.

"""


def page_of(rule: Rule) -> str:
    """All that there is to know of a rule."""
    return "\n\n".join(
        (
            f"## {rule.id}",
            f"**{rule.says}** ({rule.tier})",
            rule.why,
            f"Bad:\n\n```py\n{rule.bad.strip()}\n```",
            f"Good:\n\n```py\n{rule.good.strip()}\n```",
            f"How it is found: {rule.how}",
            f"When to ignore it: {rule.ignore}",
        )
    )


def reference() -> str:
    """The page of the reference."""
    return _TOP + "\n\n".join(_parts()) + "\n"


def _parts() -> Iterator[str]:
    rows = (f"| [{rule.id}](#{rule.id.lower()}) | {rule.tier} | {rule.says} |" for rule in RULES.values())
    yield "\n".join(("| rule | tier | |", "|---|---|---|", *rows))
    yield from map(page_of, RULES.values())
    yield "## What needs no rule\n\nRefold refuses it, does it by itself, or another command looks for it."
    yield "\n".join(("| | |", "|---|---|", *(f"| {id} | {text} |" for id, text in ELSEWHERE.items())))
