"""`refold restore`: a backup to where nothing is."""

from __future__ import annotations

from pathlib import Path

import click

from refold.backup.restoring import checked, restore_to
from refold.backup.sealed import opened
from refold.backup.sources import kind_of
from refold.cli.backups import RestorePlan, print_plan, print_restored
from refold.cli.consent import dry_run_option
from refold.cli.exits import Interrupted
from refold.cli.options import archive_given, output_option, store_option
from refold.cli.progress import progress


@click.command(
    "restore",
    short_help="Restore a backup to where nothing is.",
    help="""Restore BACKUP to the store that --store names, which must not be there; on PostgreSQL to an empty database.

    Every byte of the backup is checked first. What is restored is verified, counted, and compared with what the backup says,
    before it gets its name. Nothing is ever overwritten. --archive names a new directory for the store's archive, if the
    backup holds it.

    \b
    Examples:
      refold restore shop.backup --store new.db
      refold restore shop.backup --store new.db --dry-run
    """,
)
@click.argument("backup", metavar="BACKUP")
@store_option
@dry_run_option
@output_option(("auto", "json", "jsonl", "plain"))
def command(*, backup: str, url: str, dry_run: bool, output: str) -> None:
    """See `help` above."""
    kind, archive = kind_of(url), archive_given()
    if dry_run:
        with opened(Path(backup)) as looked_at:
            checked(looked_at, kind, archive)
            print_plan(RestorePlan(backup, kind.place, looked_at.manifest), output)
        return
    with progress() as tell:
        try:
            restored = restore_to(Path(backup), kind, archive, tell)
        except KeyboardInterrupt:
            raise Interrupted("stopped: nothing was restored. The same command begins anew.") from None
    print_restored(restored, output)
