"""`refold backup`: a store as it is at one moment, in one file."""

from __future__ import annotations

from pathlib import Path

import click

from refold.backup.drafts import absent
from refold.backup.making import back_up
from refold.backup.sources import kind_of
from refold.cli.backups import BackupPlan, print_made, print_plan
from refold.cli.consent import dry_run_option
from refold.cli.exits import Interrupted
from refold.cli.options import archive_given, output_option, reading, store_option
from refold.cli.progress import progress


@click.command(
    "backup",
    short_help="Back up a store into one file, while others write.",
    help="""Back up a store into TARGET, one file, while others write.

    It holds the store as it was at one moment: the events, and with them the read models, checkpoints, timers, idempotency
    keys and all else. The copy is opened, verified and counted before it is called a backup, and sealed by a digest. TARGET
    is there whole, or not at all; what is there already is never overwritten.

    On SQLite --archive includes the store's archive. On PostgreSQL it holds the whole database, by way of pg_dump, which must
    be in PATH.

    \b
    Examples:
      refold backup shop.backup --store shop.db
      refold backup shop.backup --store shop.db --dry-run
      refold backup shop.backup --store shop.db --output json
    """,
)
@click.argument("target", metavar="TARGET")
@store_option
@dry_run_option
@output_option(("auto", "json", "jsonl", "plain"))
def command(*, target: str, url: str, dry_run: bool, output: str) -> None:
    """See `help` above."""
    kind, archive = kind_of(url), archive_given()
    absent(Path(target))
    if dry_run:
        with reading(url) as store:
            stats = store.stats()
        print_plan(BackupPlan(target, kind.place, stats.events, stats.bytes), output)
        return
    with progress() as tell:
        try:
            made = back_up(url, Path(target), archive, tell)
        except KeyboardInterrupt:
            raise Interrupted(f"stopped: {target!r} was not written. The same command begins anew.") from None
    print_made(made, output)
