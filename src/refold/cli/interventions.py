"""`refold processes cancel`, `retry`, `skip`, `signal` and `reindex`: what an operator does to instances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
import msgspec

from refold.cli.addressing import read_as
from refold.cli.consent import consented, counted, dry_run_option, yes_option
from refold.cli.exits import Exit
from refold.cli.options import output_option, store_option
from refold.cli.output import print_object
from refold.cli.parts import AnyProcess
from refold.cli.running_processes import actor_option, process_of, processes_option, reason_option, steering
from refold.cli.saying import say
from refold.errors import UsageError
from refold.flows.processes.showing import InstanceView
from refold.flows.processes.steering import Mended
from refold.instances import Instances
from refold.messages import spec_of

F = TypeVar("F", bound=Callable[..., Any])


def _of_an_instance(function: F) -> F:
    """The arguments and options of whatever changes one instance."""
    for option in reversed((
        click.argument("process"), click.argument("id"), processes_option, store_option, actor_option, yes_option,
        dry_run_option, output_option(),
    )):  # fmt: skip
        function = option(function)
    return function


@click.command(
    "cancel",
    short_help="Let an instance end where it is.",
    help="""Let an instance end where it is. What is parked of its inputs is skipped; what it has sent is still delivered.

    A runner takes that in, and the command waits for it for --timeout seconds. If nobody runs the process it says so: the
    instance ends with the next refold run.

    \b
    Examples:
      refold processes cancel reminders c-1 --reason "asked by phone" --app shop:desk --store shop.db --yes
      refold processes cancel reminders c-1 --app shop:desk --store shop.db --dry-run
    """,
)
@_of_an_instance
@reason_option
@click.option(
    "--timeout", type=click.FloatRange(0), default=5.0, show_default=True, metavar="SECONDS", help="For so long."
)
@click.pass_context
def cancel(
    ctx: click.Context, *, process: str, id: str, app: str | None, url: str, actor: str | None, reason: str, timeout: float,
    yes: bool, dry_run: bool, output: str,
) -> None:  # fmt: skip
    """See `help` above."""
    with steering(url, app, process, actor) as instances:
        _ask(ctx, _cancelling(instances.show(id)), yes=yes, dry_run=dry_run)
        done = instances.cancel(id, reason, timeout=timeout)
    form: dict[str, Any] = msgspec.structs.asdict(done)
    print_object(form, output, lambda: say(f"{process} {id}: {done.told}."))


def _cancelling(view: InstanceView) -> Sequence[str]:
    return [
        f"{view.process} {view.id}, which is {view.status}, will end as cancelled; it waits for {view.waiting_for}.",
        f"{counted(len(view.timers), 'timer')} will not come back, {counted(len(view.parked), 'parked input')} will be skipped.",
        "this cannot be undone.",
    ]


@click.command(
    "retry",
    short_help="Take in again what is parked of an instance.",
    help="""Take in the parked inputs of an instance again, in order, and let its parked messages be sent again.

    The exit code is 1 when some inputs are left.

    \b
    Examples:
      refold processes retry reminders c-1 --reason "the gateway is back" --app shop:desk --store shop.db --yes
      refold processes retry reminders c-1 --app shop:desk --store shop.db --dry-run
    """,
)
@_of_an_instance
@reason_option
@click.pass_context
def retry(
    ctx: click.Context, *, process: str, id: str, app: str | None, url: str, actor: str | None, reason: str,
    yes: bool, dry_run: bool, output: str,
) -> None:  # fmt: skip
    """See `help` above."""
    with steering(url, app, process, actor) as instances:
        inputs, messages = _parked(instances, id)
        _leave_if_nothing(ctx, inputs + messages, output, "retry", "sent again")
        plan = [
            f"{counted(inputs, 'parked input')} will be taken in, {counted(messages, 'parked message')} sent again."
        ]
        _ask(ctx, plan, yes=yes, dry_run=dry_run)
        _print(ctx, instances.retry(id, reason), output, "sent again")


@click.command(
    "skip",
    short_help="Give up what is parked of an instance.",
    help="""Give up, for ever, the input that an instance failed for, and its parked messages. What waited behind goes on.

    The exit code is 1 when the next input fails, too.

    \b
    Examples:
      refold processes skip reminders c-1 --reason "a test order" --app shop:desk --store shop.db --yes
      refold processes skip reminders c-1 --app shop:desk --store shop.db --dry-run
    """,
)
@_of_an_instance
@reason_option
@click.pass_context
def skip(
    ctx: click.Context, *, process: str, id: str, app: str | None, url: str, actor: str | None, reason: str,
    yes: bool, dry_run: bool, output: str,
) -> None:  # fmt: skip
    """See `help` above."""
    with steering(url, app, process, actor) as instances:
        inputs, messages = _parked(instances, id)
        _leave_if_nothing(ctx, inputs + messages, output, "skip", "given up")
        plan = [
            f"{counted(min(1, inputs), 'parked input')} and {counted(messages, 'parked message')} are given up for ever.",
            f"{counted(max(0, inputs - 1), 'input')} behind will be taken in.",
        ]
        _ask(ctx, plan, yes=yes, dry_run=dry_run)
        _print(ctx, instances.skip(id, reason), output, "given up")


def _parked(instances: Instances, id: str) -> tuple[int, int]:
    view = instances.show(id)
    return len(view.parked), sum(message.state == "parked" for message in view.messages)


def _leave_if_nothing(ctx: click.Context, parked: int, output: str, verb: str, done: str) -> None:
    if not parked:
        say(f"nothing of it is parked: there is nothing to {verb}.", err=True)
        _print(ctx, Mended(0, 0, 0), output, done)


def _print(ctx: click.Context, mended: Mended, output: str, what: str) -> None:
    form: dict[str, Any] = msgspec.structs.asdict(mended)
    inputs, messages = counted(mended.inputs, "input"), counted(mended.messages, "message")
    told = f"{inputs} taken in, {messages} {what}, {counted(mended.parked, 'input')} left."
    print_object(form, output, lambda: say(told))
    ctx.exit(Exit.FINDINGS if mended.parked else Exit.OK)


@click.command(
    "signal",
    short_help="Give an instance an event.",
    help="""Give an instance an event, as if it had come to it. TYPE is one that its process reacts to, DATA are its data as JSON.

    \b
    Examples:
      refold processes signal reminders c-1 cart.forgotten '{}' --app shop:desk --store shop.db --yes
      refold processes signal reminders c-1 cart.forgotten '{}' --actor ada --app shop:desk --store shop.db --dry-run
    """,
)
@click.argument("process")
@click.argument("id")
@click.argument("type")
@click.argument("data")
@processes_option
@store_option
@actor_option
@yes_option
@dry_run_option
@click.pass_context
def signal(
    ctx: click.Context, *, process: str, id: str, type: str, data: str, app: str | None, url: str, actor: str | None,
    yes: bool, dry_run: bool,
) -> None:  # fmt: skip
    """See `help` above."""
    event = _event(process_of(app, process), type, data)
    with steering(url, app, process, actor) as instances:
        _ask(ctx, [f"{process} {id} will be given {event!r}."], yes=yes, dry_run=dry_run)
        receipt = instances.signal(id, event)
    say(f"{process} {id} is given {type} at position {int(receipt.position)}.")


def _event(process: AnyProcess, type: str, data: str) -> object:
    for cls in process.event_types:
        if spec_of(cls).name == type:
            return read_as(cls, "event", data)
    known = ", ".join(spec_of(cls).name for cls in process.event_types)
    raise UsageError(f"process {process.name!r} does not react to {type!r}: it does to {known}.")


@click.command(
    "reindex",
    short_help="Make the rows about a process again from its journals.",
    help="""Make the rows that say what a process has still to do again from its journals, in one transaction.

    For a store whose rows were lost, such as a copy of another one. Whoever runs the process waits meanwhile.

    \b
    Examples:
      refold processes reindex reminders --app shop:desk --store shop.db --yes
      refold processes reindex reminders --app shop:desk --store shop.db --dry-run
    """,
)
@click.argument("process")
@processes_option
@store_option
@yes_option
@dry_run_option
@click.pass_context
def reindex(ctx: click.Context, *, process: str, app: str | None, url: str, yes: bool, dry_run: bool) -> None:
    """See `help` above."""
    with steering(url, app, process) as instances:
        plan = [
            f"all rows about process {process!r} are removed and made again from its journals; no event is changed."
        ]
        _ask(ctx, plan, yes=yes, dry_run=dry_run)
        count = instances.reindex()
    say(f"{process} has {counted(count, 'instance')}.")


def _ask(ctx: click.Context, plan: Sequence[str], *, yes: bool, dry_run: bool) -> None:
    if not consented(plan, yes=yes, dry_run=dry_run):
        ctx.exit()
