"""`refold doctor`: what is wrong with an installation and a store, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final

import click

from refold.cli.apps import application
from refold.cli.consent import counted
from refold.cli.diagnosis import Check, finding, of_installation, of_store
from refold.cli.exits import Exit
from refold.cli.models import into_option
from refold.cli.options import app_option_for, archive_option, output_option, store_url
from refold.cli.output import Column, Listing, chosen, print_list
from refold.cli.saying import say
from refold.cli.values import visible
from refold.errors import RefoldError

_WIDTH: Final = 100
_CHECKS: Final[Listing[Check]] = Listing(
    (
        Column("check", lambda c: c.check, "cyan"),
        Column("verdict", lambda c: c.verdict),
        Column("what", lambda c: c.what),
        Column("do", lambda c: c.do),
    ),
    lambda c: c,
)


@click.command(
    "doctor",
    short_help="Find what is wrong, and what to do about it.",
    help="""Find what is wrong, and what to do about it: versions, extras, whether the store answers, its format, durability
    and disk, who may read its keys, the clock, read models and processes that do not get on.

    It only reads, and without --store looks at the installation alone. The exit code is 1 when there is a finding. Whether the
    data are whole, `refold verify` says.

    \b
    Examples:
      refold doctor
      refold doctor --store shop.db
      refold doctor --store shop.db --output json
    """,
)
@click.option(
    "--store", "url", type=store_url, metavar="URL", envvar="REFOLD_STORE", show_envvar=True,
    help="The store: sqlite:///shop.db, or just the path of its file.",
)  # fmt: skip
@archive_option
@app_option_for("read models should be there")
@into_option
@output_option()
@click.pass_context
def command(ctx: click.Context, *, url: str | None, app: str | None, into: str | None, output: str) -> None:
    """See `help` above."""
    checks = [*_checks(url, app, into)]
    if chosen(output) == "table":
        _tell(checks)
    else:
        print_list(_CHECKS, checks, output)
    findings = sum(each.is_finding for each in checks)
    if chosen(output) in {"table", "plain"}:
        sys.stdout.flush()
        say(f"{counted(len(checks), 'check')}, {counted(findings, 'finding')}.", err=True)
    ctx.exit(Exit.FINDINGS if findings else Exit.OK)


def _checks(url: str | None, app: str | None, into: str | None) -> Iterator[Check]:
    yield from of_installation()
    try:
        parts = application(app)
    except RefoldError as error:
        yield finding("application", str(error), "Put that right, and ask again.")
        parts = None
    if url is not None:
        yield from of_store(url, into, parts)


def _tell(checks: Sequence[Check]) -> None:
    """Each on lines of its own, with what to do below it: sentences are too long for columns."""
    for each in checks:
        verdict = click.style("finding" if each.is_finding else "ok     ", fg="red" if each.is_finding else "green")
        click.echo(f"{verdict}  {click.style(each.check, bold=True)}: {visible(each.what)}")
        if each.do:
            say(click.wrap_text(each.do, _WIDTH, "         ", "         "))
