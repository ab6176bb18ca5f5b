"""What is told of placement is what the simulation and the arithmetic give, and the simulation is right where that is known."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.placing import busiest, by_directory, by_remainder, by_rendezvous, moved, moving, uneven, zipf
from benchmarks.planning import plan

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "scale.md"


def test_the_page_quotes_what_the_simulation_gives() -> None:
    page = PAGE.read_text("utf-8")
    assert "\n".join(uneven()) in page
    assert "\n".join(moving()) in page
    assert "\n".join(plan()) in page


def test_no_placement_is_better_than_its_largest_tenant() -> None:
    for skew in (0.0, 0.9, 1.3):
        loads = zipf(500, skew)
        assert sum(loads) == pytest.approx(1)
        least = max(1.0, loads[0] * 8)
        for place in (by_remainder, by_rendezvous, by_directory):
            assert busiest(loads, place(loads, 8), 8) >= least - 1e-9
        assert busiest(loads, by_directory(loads, 8), 8) < least * 4 / 3


def test_by_rendezvous_only_those_move_that_the_new_store_gets() -> None:
    loads = zipf(500, 1.0)
    before, after = by_rendezvous(loads, 8), by_rendezvous(loads, 9)
    assert {new for old, new in zip(before, after, strict=True) if old != new} == {8}
    assert moved(by_rendezvous, 500, 8) == pytest.approx(1 / 9, abs=0.05)
