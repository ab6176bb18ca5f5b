"""`python -m benchmarks.graphs [latest.json] [DIRECTORY]`: the figures as SVG, written by hand, for the documentation.

A page for each store, a group of bars for each rate: Refold, the raw limit, the peers, each as long as it is fast beside the
fastest of its group. The line in a bar goes from the smallest figure to the largest.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

COLOURS = {"refold": "#0b7285", "raw": "#adb5bd"}
OTHERS = ("#e8590c", "#f08c00", "#9c36b5", "#5c940d")
_WIDTH, _LEFT, _RIGHT, _BAR, _GAP, _TOP = 760, 210, 120, 12, 14, 34


def draw(results: Mapping[str, Any], directory: Path) -> Sequence[Path]:
    """Write a page for each store that has rates, and give their paths."""
    stores = dict.fromkeys(row["store"] for row in results["rows"])
    pages = {store: [*_groups(results["rows"], store)] for store in stores}
    written: list[Path] = []
    for store, groups in pages.items():
        if groups:
            path = directory / f"performance-{store}.svg"
            path.write_text(_page(f"{store}, {_circumstances(results['machine'])}", groups), "utf-8")
            written.append(path)
    return written


def _groups(rows: Sequence[Mapping[str, Any]], store: str) -> Iterator[tuple[str, Mapping[str, Sequence[float]]]]:
    """The rates of a store that stand beside others."""
    for row in rows:
        bars = {"refold": row["refold"], "raw": row["raw"], **row["peers"]}
        found = {name: figures for name, figures in bars.items() if figures}
        if row["store"] == store and row["unit"].endswith("/s") and len(found) > 1 and "refold" in found:
            yield f"{row['work']}, {row['unit']}", found


def _page(title: str, groups: Sequence[tuple[str, Mapping[str, Sequence[float]]]]) -> str:
    names = list(dict.fromkeys(name for _, bars in groups for name in bars))
    colours = {**dict(zip((n for n in names if n not in COLOURS), OTHERS, strict=False)), **COLOURS}
    parts, y = [*_legend(names, colours)], _TOP
    for label, bars in groups:
        parts.append(_text(_LEFT - 10, y + _BAR * len(bars) / 2 + 4, label, "end"))
        most = max(figures[2] for figures in bars.values())
        for name, figures in bars.items():
            parts += _bar(y, figures, most, colours[name])
            y += _BAR
        y += _GAP
    parts.append(_text(10, y, title))
    y += _GAP
    style = "<style>text{font:11px system-ui,sans-serif;fill:#495057}</style>"
    box = f'<rect width="{_WIDTH}" height="{y}" fill="#ffffff"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" height="{y}">'
    return "\n".join([head, f"<title>{escape(title)}</title>", style, box, *parts, "</svg>", ""])


def _circumstances(machine: Mapping[str, Any]) -> str:
    """The day, and what else the figures depend on."""
    known = {
        name: machine[name] for name in ("refold", "python", "cores", "load", "fsync_ms", "form") if name in machine
    }
    return ", ".join([machine["at"][:10], *(f"{name} {value}" for name, value in known.items())])


def _legend(names: Sequence[str], colours: Mapping[str, str]) -> Iterator[str]:
    x = 10.0
    for name in names:
        yield f'<rect x="{x:.0f}" y="8" width="10" height="10" fill="{colours[name]}"/>'
        yield _text(x + 14, 17, "Refold" if name == "refold" else name)
        x += 30 + 6.2 * len(name)


def _bar(y: float, figures: Sequence[float], most: float, colour: str) -> Iterator[str]:
    least, middle, largest = ((_WIDTH - _LEFT - _RIGHT) * each / most for each in figures)
    yield f'<rect x="{_LEFT}" y="{y}" width="{max(middle, 1):.1f}" height="{_BAR - 2}" fill="{colour}"/>'
    line = y + _BAR / 2 - 1
    yield f'<path d="M{_LEFT + least:.1f} {line}H{_LEFT + largest:.1f}" stroke="#212529" stroke-width="1"/>'
    yield _text(_LEFT + largest + 6, y + _BAR - 3, f"{figures[1]:,.0f}")


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def main() -> None:
    """Draw the results of a run again."""
    results = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "results" / "latest.json")
    directory = Path(sys.argv[2]) if len(sys.argv) > 2 else results.parent
    for path in draw(json.loads(results.read_text("utf-8")), directory):
        print(path)


if __name__ == "__main__":
    main()
