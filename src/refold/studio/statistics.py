"""Statistics: what came in over time and of which categories, how long streams are, how far read models are behind."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from refold.flows.processes.consuming import CONSUMER
from refold.forms import build_form
from refold.http.models import builds_in
from refold.http.problems import Declined
from refold.studio.asking import Ask
from refold.studio.charting import LOOKED, SPANS, Chart
from refold.studio.pages import Page
from refold.studio.projections import models_of
from refold.studio.routing import Route

HEIGHT: Final = 132
STEP: Final = 20
SHOWN: Final = 8
"""Categories with a colour in the chart; the rest is one."""
OTHERS: Final = "others"


class Part(Struct, frozen=True):
    """A piece of a bar, as it is drawn."""

    category: str
    x: int
    y: float
    height: float
    told: str


async def show(ask: Ask) -> Page:
    """The store in figures."""
    span = ask.param("span") or "day"
    if span not in SPANS:
        raise Declined(400, "bad-parameter", f"span={span[:60]!r}: {', '.join(SPANS)} are known.")
    charts = ask.studio.charts
    chart, lengths = await asyncio.gather(charts.over(span), charts.lengths())
    builds = [each for each in await builds_in(ask.store) if each.role != "retired"]
    models = models_of(builds)
    categories = () if chart is None else categories_of(chart)
    shown = {
        "span": span, "spans": list(SPANS), "chart": chart, "categories": categories, "height": HEIGHT, "step": STEP,
        "parts": [] if chart is None else parts_of(chart, categories), "lengths": lengths, "looked": LOOKED, "others": OTHERS,
        "models": models, "furthest": max((each.status.lag for each in models), default=0), "consumer": CONSUMER,
        "most_streams": 0 if lengths is None else max((streams for _, _, streams in lengths.groups), default=0),
    }  # fmt: skip
    data = {"span": span, "chart": chart, "lengths": lengths, "projections": [build_form(each) for each in builds]}
    return Page("statistics", "Statistics", "statistics.html", shown, data)


def categories_of(chart: Chart) -> Sequence[str]:
    """Those with the most events, and what stands for the rest."""
    found = Counter[str]()
    for bar in chart.bars:
        for name, share in bar.shares.items():
            found[name] += bar.events * share
    names = [name for name, _ in found.most_common()]
    return names if len(names) <= SHOWN else [*names[: SHOWN - 1], OTHERS]


def parts_of(chart: Chart, categories: Sequence[str]) -> Sequence[Part]:
    """The bars, piece by piece, from the bottom up."""
    parts: list[Part] = []
    for at, bar in enumerate(chart.bars):
        top = float(HEIGHT)
        for name, share in _grouped(bar.shares, categories).items():
            height = HEIGHT * bar.events * share / 1_000 / (chart.most or 1)
            top -= height
            parts.append(Part(name, at * STEP, round(top, 2), round(height, 2), f"{share / 10:.0f} % {name}"))
    return parts


def _grouped(shares: Mapping[str, int], categories: Sequence[str]) -> Mapping[str, int]:
    found = {name: shares[name] for name in categories if name in shares}
    rest = sum(share for name, share in shares.items() if name not in categories)
    return {**found, OTHERS: rest} if rest else found


ROUTES: Final = (Route("GET", "/statistics", show),)
