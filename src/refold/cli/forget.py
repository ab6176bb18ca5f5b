"""`refold forget`: the key of whom personal data are about, destroyed."""

from __future__ import annotations

from collections.abc import Iterator

import click
import msgspec

from refold.cli.consent import consented, counted, dry_run_option, yes_option
from refold.cli.options import live_store_option, output_option, read_only
from refold.cli.output import chosen, print_object
from refold.cli.saying import say
from refold.flows.forgetting import Forgotten
from refold.messages import RawEvent
from refold.store import Store


@click.command(
    "forget",
    short_help="Forget a person: what is personal is gone everywhere.",
    help="""Destroy the key of SUBJECT: what is personal about it can be read no more, in the store, its copies and its backups.

    SUBJECT is what the events are tagged with, as customer:c-1. The events stay; their personal fields read as nothing. Read
    models keep what they took out of them until they handle SubjectForgotten, or are rebuilt. The keys are where the store's URL
    says.

    This cannot be undone. The plan is shown, and asked for. Doing it again is safe, and finishes what was interrupted.

    \b
    Examples:
      refold forget customer:c-1 --store 'shop.db?keys=sqlite:///shop-keys.db' --dry-run
      refold forget customer:c-1 --store 'shop.db?keys=sqlite:///shop-keys.db' --yes
    """,
)
@click.argument("subject", metavar="SUBJECT")
@click.option("--actor", help="In whose name: it is kept with the event that tells of it.")
@live_store_option
@yes_option
@dry_run_option
@output_option(("auto", "json", "jsonl", "plain"))
@click.pass_context
def command(
    ctx: click.Context, *, subject: str, actor: str | None, url: str, yes: bool, dry_run: bool, output: str
) -> None:
    """See `help` above."""
    with Store.open(read_only(url), events=[RawEvent]) as store:
        planned = store.forget(subject, only_look=True)
    if dry_run and chosen(output) in {"json", "jsonl"}:
        print_object(msgspec.to_builtins(planned), output, lambda: None)
        return
    if not consented(list(_plan(planned)), yes=yes, dry_run=dry_run):
        ctx.exit()
    with Store.open(url, events=[RawEvent]) as store:
        forgotten = store.context(actor=actor).forget(subject)
    form = msgspec.to_builtins(forgotten)
    print_object(form, output, lambda: say(f"{subject} is forgotten."))


def _plan(planned: Forgotten) -> Iterator[str]:
    of = f"{counted(planned.events, 'event')} in {counted(len(planned.streams), 'stream')}"
    yield f"{counted(planned.keys, 'key')} of {planned.subject} would be destroyed: what is personal in {of} is then gone."
    if planned.snapshots:
        yield f"{counted(planned.snapshots, 'snapshot')} of {counted(len(planned.streams), 'stream')} would be dropped."
    yield "Read models keep what they took out of these events until they handle SubjectForgotten, or are rebuilt."
    yield "This cannot be undone, but for a backup of the keys."
