"""Review: what the architect finds in the application, by how sure that is, and the rules, each with its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from refold.app import App
from refold.architect.finding import Finding, Tier
from refold.architect.parts import Place
from refold.architect.review import review
from refold.architect.rules.catalogue import ELSEWHERE, RULES
from refold.http.problems import Declined
from refold.studio.asking import Ask
from refold.studio.pages import Page
from refold.studio.routing import Route

TIERS: Final[Mapping[Tier, str]] = {
    "fact": "So it is, and it is wrong.", "heuristic": "It looks like it: worth a look.", "runtime": "It was seen in a store.",
}  # fmt: skip


@cache
def findings_of(app: App) -> Sequence[Finding]:
    """The findings of an application, whose code stays as it is while it runs."""
    return review(app)


async def show(ask: Ask) -> Page:
    """All findings."""
    found = findings_of(ask.studio.app)
    groups = [(tier, told, [each for each in found if each.tier == tier]) for tier, told in TIERS.items()]
    shown = {
        "groups": groups, "found": found, "rules": RULES, "place": _short, "has_app": bool(ask.studio.app.event_types),
    }  # fmt: skip
    return Page("review", "Review", "review.html", shown, {"data": found})


async def show_rule(ask: Ask) -> Page:
    """What a rule looks for, and why."""
    name = ask.path["rule"]
    if name not in RULES:
        known = ELSEWHERE.get(name, "there is no such rule")
        raise Declined(404, "no-such-rule", f"{name[:40]!r}: {known.rstrip('.')}.")
    rule = RULES[name]
    found = [each for each in findings_of(ask.studio.app) if each.rule == name]
    texts = {key: str(getattr(rule, key)) for key in ("id", "tier", "says", "why", "how", "ignore", "bad", "good")}
    crumbs = (("Review", ask.url("review")), (name, ""))
    shown: dict[str, Any] = {"rule": texts, "told": TIERS[rule.tier], "found": found, "place": _short}
    return Page("review", name, "rule.html", shown, {"rule": texts, "data": found}, crumbs)


def _short(place: Place) -> str:
    """A place as it is named: a file as it is seen from the working directory, and a line."""
    if not place.file:
        return place.object
    path, here = Path(place.file), Path.cwd()
    name = path.relative_to(here) if path.is_relative_to(here) else Path(*path.parts[-3:])
    return f"{name}:{place.line}" if place.line else str(name)


ROUTES: Final = (Route("GET", "/review", show), Route("GET", "/review/{rule}", show_rule))
