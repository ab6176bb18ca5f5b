"""`refold projections rebuild` and `abandon`: a read model made anew beside the one that people read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import click

from refold.cli.checking import limit_option
from refold.cli.consent import consented, counted, dry_run_option, yes_option
from refold.cli.differing import print_comparison
from refold.cli.exits import Exit, Interrupted
from refold.cli.models import Models, into_option, projections_option
from refold.cli.options import output_option, store_option
from refold.cli.output import chosen, print_object
from refold.cli.progress import Tell, progress
from refold.cli.saying import say
from refold.cli.workers import Workers, built_by
from refold.errors import ProjectionStopped
from refold.flows.projections.differences import Comparison
from refold.flows.projections.status import ProjectionStatus
from refold.forms import build_form
from refold.read_model import ReadModel


@click.command(
    "rebuild",
    short_help="Build a read model anew beside, and switch.",
    help="""Build a read model anew beside the one that people read, and let it take its place in one transaction.

    So a new version of a projection comes into use. Readers never wait, and never see less than before. Ctrl-C, or a crash,
    loses nothing: the same command goes on. The build that was replaced stays until drop-retired. Effects are not repeated.

    --diff compares the two row by row before the switch, shows rows that differ with the events that changed them, and
    asks. --parallel lets N processes work on it, if the projection has a key of its own.

    \b
    Examples:
      refold projections rebuild carts --app shop:app --store shop.db --plan
      refold projections rebuild carts --app shop:app --store shop.db
      refold projections rebuild carts --app shop:app --store shop.db --diff --yes
      refold projections rebuild carts --app shop:app --store shop.db --parallel 2
    """,
)
@click.argument("name")
@click.option(
    "--parallel", type=click.IntRange(1, 64), metavar="N", help="In N parts, by N processes that end with it."
)
@click.option("--diff", is_flag=True, help="Compare before the switch, and ask if anything differs.")
@click.option("--plan", is_flag=True, help="Only show what would be done.")
@click.option("--yes", is_flag=True, help="With --diff: switch, whatever differs.")
@limit_option
@projections_option
@store_option
@into_option
@output_option()
@click.pass_context
def rebuild(
    ctx: click.Context,
    *,
    name: str,
    parallel: int | None,
    diff: bool,
    plan: bool,
    yes: bool,
    limit: int,
    app: str | None,
    url: str,
    into: str | None,
    output: str,
) -> None:
    """See `help` above."""
    if diff and parallel:
        raise click.UsageError("--parallel switches as soon as it has caught up, --diff asks before: take one of them.")
    with Models.writing(url, into, app) as models:
        model, builds = models.model(name), [each for each in models.statuses() if each.name == name]
        active, building = model.status(), _building(builds, models.projection(name).version)
        if plan:
            say("\n".join(_plan(model, active, building, parallel or 1)))
            ctx.exit()
        if building is not None and building.state != "running":
            raise ProjectionStopped(name, building.state, building.reason, building.position)
        if diff:
            ctx.exit(_Diff(model, name, limit, output, yes=yes).run())
        if parallel:
            with Workers(parallel, name, url=url, into=into, app=app) as workers:
                _show_interrupt(name, lambda tell: built_by(workers, models, model.begin_rebuild(parts=parallel), tell))
        else:
            _show_interrupt(name, lambda tell: model.rebuild(progress=_staged(tell)))
        status = model.status()
    if chosen(output) in {"table", "plain"}:
        say(_done(status, active))
    else:
        print_object(build_form(status), output, lambda: None)


def _building(builds: Sequence[ProjectionStatus], version: int) -> ProjectionStatus | None:
    return next((build for build in builds if (build.role, build.version) == ("building", version)), None)


def _plan(
    model: ReadModel, active: ProjectionStatus, building: ProjectionStatus | None, parallel: int
) -> Iterator[str]:
    name, version = active.name, model.projection.version
    yield f"{name}: people read build {active.build} (version {active.version}), at position {active.position}."
    if building is None:
        parts = f" in {parallel} parts" if parallel > 1 else ""
        yield f"version {version} is built beside it{parts}, from {counted(active.head, 'event')}."
    else:
        yield f"build {building.build} (version {version}) was begun, and goes on at position {building.position}."
    if active.rate:
        left = active.head - (building.position if building else 0)
        yield f"at the {active.rate:,.0f} events/s of its last steps, this takes {left / active.rate:,.0f} s."
    yield "it takes its place in one transaction as soon as it is as far; readers do not wait."
    yield f"build {active.build} stays until `refold projections drop-retired {name}`."
    if model.projection.has_effects:
        yield "effects are not repeated."


def _done(status: ProjectionStatus, before: ProjectionStatus) -> str:
    return (
        f"{status.name}: build {status.build} (version {status.version}) took the place of build {before.build} "
        f"(version {before.version}) and is at position {status.position}; the old one stays until "
        f"`refold projections drop-retired {status.name}`."
    )


def _show_interrupt(name: str, build: Callable[[Tell], None]) -> None:
    """Build, with a bar; Ctrl-C says how far it came."""
    reached = ""
    with progress() as tell:

        def told(stage: str, done: int, total: int) -> None:
            nonlocal reached
            reached = f" at position {done:,} of {total:,}"
            tell(stage, done, total)

        try:
            build(told)
        except KeyboardInterrupt:
            raise Interrupted(
                f"stopped{reached}: the same command goes on there, and `refold projections abandon {name}` gives it up."
            ) from None


class _Diff:
    """A rebuild that compares before it switches."""

    def __init__(self, model: ReadModel, name: str, limit: int, output: str, *, yes: bool) -> None:
        self._model, self._name, self._limit, self._output, self._yes = model, name, limit, output, yes

    def run(self) -> Exit:
        comparison = self._compared()
        print_comparison(comparison, self._output)
        try:
            is_wanted = comparison.is_equal or consented(self._plan(comparison), yes=self._yes)
        except BaseException:
            self._model.abandon(compared=comparison)
            raise
        if not is_wanted:
            self._model.abandon(compared=comparison)
            say(f"build {comparison.new} was removed; people read build {comparison.old} as before.", err=True)
            return Exit.FINDINGS
        before = self._model.status()
        _show_interrupt(self._name, lambda tell: self._model.rebuild(compared=comparison, progress=_staged(tell)))
        say(_done(self._model.status(), before), err=True)
        return Exit.OK

    def _compared(self) -> Comparison:
        with progress() as tell:
            try:
                return self._model.compare(limit=self._limit, progress=_staged(tell))
            except KeyboardInterrupt:
                raise Interrupted("stopped before it was compared: what was built was removed again.") from None

    def _plan(self, comparison: Comparison) -> Sequence[str]:
        line = f"build {comparison.new} takes the place of build {comparison.old}, else it is removed again."
        return [line, f"to undo it, rebuild with version {comparison.old_version}."]


def _staged(tell: Tell) -> Callable[[int, int], None]:
    return lambda done, head: tell("rebuild", done, head)


@click.command(
    "abandon",
    short_help="Remove a build that has not taken its place yet.",
    help="""Remove the builds that were to take the place of what people read: rebuilds that were stopped, or are under way.

    \b
    Examples:
      refold projections abandon carts --store shop.db --dry-run
      refold projections abandon carts --store shop.db --yes
    """,
)
@click.argument("name")
@store_option
@into_option
@yes_option
@dry_run_option
@click.pass_context
def abandon(ctx: click.Context, *, name: str, url: str, into: str | None, yes: bool, dry_run: bool) -> None:
    """See `help` above."""
    with Models.writing(url, into) as models:
        model = models.named(name)
        active = model.status()
        younger = [each for each in models.statuses() if each.name == name and each.build > active.build]
        if not younger:
            say(f"{name} has no build that is being made.")
            ctx.exit()
        plan = [
            f"{name}: build {each.build} (version {each.version}) at position {each.position} is removed."
            for each in younger
        ]
        if not consented(plan, yes=yes, dry_run=dry_run):
            ctx.exit()
        say(f"removed {counted(model.abandon(), 'build')} of {name}.")
