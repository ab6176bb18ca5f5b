"""Findings about schemas, as they are told."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Final

import click

from refold.cli.output import Column, Listing, chosen, print_list
from refold.cli.saying import say
from refold.cli.values import on_one_line, visible
from refold.schema.checking import Finding

_COLOURS: Final = {"ok": "green", "needs an upcaster": "yellow", "breaks": "red"}

_LISTING: Listing[Finding] = Listing(
    (
        Column("verdict", lambda finding: str(finding.verdict)),
        Column("event", lambda finding: finding.event, "cyan"),
        Column("field", lambda finding: finding.field),
        Column("what", lambda finding: finding.what),
        Column("do", lambda finding: finding.do),
    ),
    lambda finding: finding,
)


def print_findings(findings: Sequence[Finding], output: str) -> None:
    """Each with its verdict, and with what to do: on a terminal on lines of its own, where there is room for it."""
    if chosen(output) != "table":
        print_list(_LISTING, findings, output)
        return
    for finding in findings:
        head = click.style(str(finding.verdict), fg=_COLOURS[finding.verdict])
        click.echo(
            " ".join(filter(None, (head, click.style(visible(finding.event), bold=True), visible(finding.field))))
        )
        for sentence in filter(None, (finding.what, finding.do)):
            say(click.wrap_text(f"{on_one_line(sentence)}.", _width(), "    ", "    "))


def _width() -> int:
    return min(shutil.get_terminal_size().columns, 120)
