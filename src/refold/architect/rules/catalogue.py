"""Every rule, by its id; and what needs none, since Refold refuses it, or another command looks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from refold.architect.finding import Rule
from refold.architect.rules import boundaries, complete, facts, pure, stored

RULES: Final[Mapping[str, Rule]] = {
    rule.id: rule
    for rule in sorted(
        (*facts.RULES, *pure.RULES, *complete.RULES, *boundaries.RULES, *stored.RULES), key=lambda rule: rule.id
    )
}

ELSEWHERE: Final[Mapping[str, str]] = {
    "ES006": "An event without a wire name: @event refuses the class.",
    "ES010": "A schema that changed without a new version: `refold schema lock --check`.",
    "ES011": "A breaking change without an upcaster: `refold schema lock --check`.",
    "ES012": "Upcasters with a gap, a circle or two ways: refused when the class is registered with a store.",
    "ES013": "A name that is used again while events of it exist: the tombstones of `refold schema lock`.",
    "ES023": "A handler that causes something else the second time: `refold projections verify`, and tests of projections.",
    "ES060": "A correlation that is not handed on: the store does it, for every event.",
    "ES110": "Snapshots without a fingerprint: each has one, of all code that made it.",
    "ES111": "Snapshots that disagree with a replay: `refold snapshots verify`.",
    "ES140": "Code that changes or deletes events: the database refuses it, and `refold verify` finds what was done to a file.",
}
