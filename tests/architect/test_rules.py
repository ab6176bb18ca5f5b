"""Every rule bites: the bad program of its page has that finding, and no other; the good one has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import pytest
from tests.architect.page import PAGE

from refold import App
from refold.architect import Stored, review
from refold.architect.pages import reference
from refold.architect.rules.catalogue import ELSEWHERE, RULES

STORED: Final[Mapping[str, tuple[Stored, Stored]]] = {
    "ES030": (
        Stored({"cart.item-added": 1}, {}, {"cart.item-added": (1, 70_000)}),
        Stored({"cart.item-added": 1}, {}, {"cart.item-added": (1, 60_000)}),
    ),
    "ES051": (Stored({"cart.item-added": 1}, {}, {}), Stored({"cart.item-added": 1}, {}, {})),
    "ES058": (Stored({"cart.item-added": 1, "cart.abandoned": 1}, {}, {}), Stored({"cart.item-added": 1}, {}, {})),
    "ES090": (
        Stored({"cart.item-added": 10_000}, {"cart": ("cart-1", 10_000)}, {}),
        Stored({"cart.item-added": 10_000}, {"cart": ("cart-1", 10_000)}, {}),
    ),
}
"""What the store holds for the bad and the good program of a rule that asks one."""


@pytest.mark.parametrize("id", RULES)
def test_the_bad_program_of_a_rule_has_its_finding_and_the_good_one_none(id: str, app_of: Callable[[str], App]) -> None:
    rule = RULES[id]
    bad, good = STORED.get(id, (None, None))
    found = review(app_of(rule.bad), stored=bad)
    assert [(each.rule, each.tier) for each in found] == [(id, rule.tier)]
    assert review(app_of(rule.good), stored=good) == []


def test_the_page_of_the_reference_is_made_from_the_rules() -> None:
    assert PAGE.read_text("utf-8") == reference(), "python -m tests.architect.page"


def test_a_rule_is_known_by_one_id() -> None:
    assert not RULES.keys() & ELSEWHERE.keys()
    assert [*RULES] == sorted(RULES)
