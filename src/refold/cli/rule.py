"""`refold rule`: what there is to know of a rule of `refold review`."""

from __future__ import annotations

import click

from refold.architect.finding import Rule
from refold.architect.pages import page_of
from refold.architect.rules.catalogue import ELSEWHERE, RULES
from refold.cli.exits import NotFound
from refold.cli.options import output_option
from refold.cli.output import Column, Listing, chosen, print_list, print_object
from refold.cli.saying import say

_LISTING: Listing[Rule] = Listing(
    (
        Column("rule", lambda rule: rule.id, "cyan"),
        Column("tier", lambda rule: rule.tier),
        Column("says", lambda rule: rule.says),
    ),
    lambda rule: {"id": rule.id, "tier": rule.tier, "says": rule.says},
)


@click.command(
    "rule",
    short_help="Explain a rule of refold review.",
    help="""Explain a rule of `refold review`: why it is there, a bad and a good program, how it looks, when to ignore it.

    Without ID the rules are listed.

    \b
    Examples:
      refold rule
      refold rule ES042
    """,
)
@click.argument("id", required=False)
@output_option()
def command(*, id: str | None, output: str) -> None:
    """See `help` above."""
    if id is None:
        print_list(_LISTING, RULES.values(), output)
        return
    wanted = id.upper()
    if wanted in ELSEWHERE:
        raise NotFound(f"{wanted} is no rule, since none is needed. {ELSEWHERE[wanted]}")
    if wanted not in RULES:
        raise NotFound(f"there is no rule {id!r}: `refold rule` lists them.")
    rule = RULES[wanted]
    if chosen(output) in {"table", "plain"}:
        say(page_of(rule))
        return
    form = {name: getattr(rule, name) for name in ("id", "tier", "says", "why", "bad", "good", "how", "ignore")}
    print_object(form, output, lambda: None)
