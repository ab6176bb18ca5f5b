"""`refold projections reset` and `drop-retired`: what removes read models, shown and asked for first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from refold.cli.consent import consented, counted, dry_run_option, yes_option
from refold.cli.models import Models, into_option, projections_option
from refold.cli.options import store_option
from refold.cli.saying import say
from refold.flows.projections.status import ProjectionStatus
from refold.read_model import ReadModel


@click.command(
    "reset",
    short_help="Remove a read model, and begin it again.",
    help="""Remove a read model with its dead letters and all its builds, and begin it again: empty until it is caught up.

    Effects are caused again. To keep readers served, rebuild it instead.

    \b
    Examples:
      refold projections reset carts --app shop:app --store shop.db --dry-run
      refold projections reset carts --app shop:app --store shop.db --yes
    """,
)
@click.argument("name")
@projections_option
@store_option
@into_option
@yes_option
@dry_run_option
@click.pass_context
def reset(
    ctx: click.Context, *, name: str, app: str | None, url: str, into: str | None, yes: bool, dry_run: bool
) -> None:
    """See `help` above."""
    with Models.writing(url, into, app) as models:
        model, builds = models.model(name), _builds(models, name)
        status = model.status()
        plan = [*map(_told, builds), *_emptied(model, status)]
        if not consented(plan, yes=yes, dry_run=dry_run):
            ctx.exit()
        model.reset()
    say(f"{name} is empty, and begins again.")


def _emptied(model: ReadModel, status: ProjectionStatus) -> Iterator[str]:
    letters, events = counted(status.dead_letters, "dead letter"), counted(status.head, "event")
    yield f"all of it is removed, with {letters}; readers see nothing until {events} are applied again."
    if model.projection.has_effects:
        yield "effects are caused again."
    yield "the events stay as they are: `refold run` fills it again."


@click.command(
    "drop-retired",
    short_help="Remove the builds that were replaced.",
    help="""Remove the builds of a read model that were replaced, with their tables. What people read stays.

    \b
    Examples:
      refold projections drop-retired carts --store shop.db --dry-run
      refold projections drop-retired carts --store shop.db --yes
    """,
)
@click.argument("name")
@store_option
@into_option
@yes_option
@dry_run_option
@click.pass_context
def drop_retired(ctx: click.Context, *, name: str, url: str, into: str | None, yes: bool, dry_run: bool) -> None:
    """See `help` above."""
    with Models.writing(url, into) as models:
        model = models.named(name)
        model.status()
        retired = [build for build in _builds(models, name) if build.role == "retired"]
        if not retired:
            say(f"{name} has no builds that were replaced.")
            ctx.exit()
        plan = [*map(_told, retired), "they are removed; to have one again, rebuild that version."]
        if not consented(plan, yes=yes, dry_run=dry_run):
            ctx.exit()
        say(f"removed {counted(model.drop_retired(), 'build')} of {name}.")


def _builds(models: Models, name: str) -> Sequence[ProjectionStatus]:
    return [status for status in models.statuses() if status.name == name]


def _told(build: ProjectionStatus) -> str:
    return f"{build.name}: build {build.build} (version {build.version}, {build.role}) at position {build.position}"
