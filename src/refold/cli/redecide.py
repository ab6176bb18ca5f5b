"""`refold redecide`: kept commands decided again by the code as it is now, or by other code, beside what happened."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import zip_longest

import click
import msgspec

from refold.cli.apps import app_name, application
from refold.cli.consent import counted
from refold.cli.decisions import Decision, Decisions, Difference, compared
from refold.cli.diff import print_operations
from refold.cli.exits import Exit, Interrupted
from refold.cli.options import app_option_for, archive_given, output_option, reading, store_option
from refold.cli.other_code import AskedDecisions, directory_of, told_by
from refold.cli.output import Column, Listing, chosen, print_list
from refold.cli.progress import progress
from refold.cli.saying import say
from refold.cli.values import as_text, for_people
from refold.errors import UsageError

_LISTING: Listing[Difference] = Listing(
    (
        Column("stream", lambda d: d.stream),
        Column("version", lambda d: d.version),
        Column("command", lambda d: d.command),
        Column("verdict", lambda d: d.verdict),
        Column("what", lambda d: d.new_error or as_text(d.diff)),
    ),
    lambda difference: difference,
)


class Found(msgspec.Struct):
    """What came of it: how many commands, in how many streams, how many decided differently, and the first of these.

    `unexplained`: so many events were led to by no command that was kept.
    """

    limit: int
    commands: int = 0
    streams: int = 0
    unexplained: int = 0
    differing: int = 0
    shown: list[Difference] = msgspec.field(default_factory=list[Difference])

    def take(self, difference: Difference | None) -> None:
        """One command more."""
        self.commands += 1
        if difference is not None:
            self.differing += 1
            if len(self.shown) < self.limit:
                self.shown.append(difference)


@click.command(
    "redecide",
    short_help="Decide kept commands again, and show where it comes out otherwise.",
    help="""Decide every kept command again, on the state that it met, and show where it comes out otherwise than it did.

    Commands are kept by store.bind(..., keep_commands=True). Nothing is written. With --code, a directory with other code
    of the application or a revision of the git repository here, the decisions of the app here and of that code are laid
    side by side, so that it also shows what fails here and no longer there; the other code runs in a process of its own.

    The exit code is 1 if any decision differs.

    \b
    Examples:
      refold redecide cart-c-1 --app shop:app --store shop.db
      refold redecide --category cart --code next --app shop:app --store shop.db
      refold redecide --app shop:app --store shop.db --limit 5 --output json
    """,
)
@click.argument("stream", required=False)
@click.option("--category", help="All streams of this category. Without it and a stream: of all deciders of the app.")
@store_option
@click.option("--code", metavar="DIR|REVISION", help="Decided by the app in other code, beside the app here.")
@click.option(
    "--limit", type=click.IntRange(0), default=20, show_default=True, help="Show at most so many differences."
)
@app_option_for("deciders to use")
@output_option()
@click.pass_context
def command(  # noqa: PLR0917 - click passes them by name
    ctx: click.Context, stream: str | None, category: str | None, url: str, code: str | None, limit: int, app: str | None,
    output: str,
) -> None:  # fmt: skip
    """See `help` above."""
    found = _found(url, app, _subject(stream, category), code, limit)
    if chosen(output) == "table":
        _print_table(found)
    else:
        print_list(_LISTING, found.shown, output)
    _say_summary(found)
    ctx.exit(Exit.FINDINGS if found.differing else Exit.OK)


def _subject(stream: str | None, category: str | None) -> str | None:
    if stream is not None and category is not None:
        raise UsageError("name a stream or a --category, and not both.")
    if stream is not None and "-" not in stream:
        raise UsageError(
            f"{stream!r} is no stream: it needs a category and an id, as in 'cart-c-1'; or say --category."
        )
    if category is not None and "-" in category:
        raise UsageError(f"{category!r} is no category, which has no '-'.")
    return stream or category


def _found(url: str, app: str | None, subject: str | None, code: str | None, limit: int) -> Found:
    found = Found(limit)
    with reading(url) as store, progress() as tell:
        head = store.head()
        decisions = Decisions(store, application(app), subject, head)
        total = decisions.total
        try:
            for difference in _differences(decisions, url, app, subject, code, head):
                found.take(difference)
                tell("redecide", min(decisions.passed, total), total)
        except KeyboardInterrupt:
            told = f"{counted(found.commands, 'command')}, {found.differing:,} of them decided otherwise"
            raise Interrupted(f"stopped at event {decisions.passed:,} of {total:,}, after {told}.") from None
    found.streams, found.unexplained = decisions.streams, max(0, decisions.passed - decisions.explained)
    return found


def _differences(
    decisions: Decisions, url: str, app: str | None, subject: str | None, code: str | None, until: int
) -> Iterator[Difference | None]:
    """For each command, how the new decision differs, if it does."""
    if code is None:
        yield from map(compared, decisions)
        return
    asked = AskedDecisions(url, archive_given(), app_name(app) or "", subject, int(until))
    with directory_of(code) as directory, told_by(directory, asked) as others:
        for old, answer in zip_longest(decisions, others):
            new = None if answer is None else msgspec.convert(answer, Decision)
            if old is None or new is None or (old.stream, old.version) != (new.stream, new.version):
                places = " and ".join(f"{each.stream}@{each.version}" for each in (old, new) if each is not None)
                raise UsageError(
                    f"the app here and that in {code!r} do not have the same deciders, which shows at {places}: compare those "
                    "that both have, with --category."
                )
            yield compared(new, old)


def _say_summary(found: Found) -> None:
    sys.stdout.flush()
    if not found.commands:
        say(
            f"no command is kept in {counted(found.streams, 'stream')}: store.bind(..., keep_commands=True) keeps those "
            "to come.",
            err=True,
        )
        return
    told = f"{counted(found.commands, 'command')} of {counted(found.streams, 'stream')} decided again"
    say(f"{told}: {f'{found.differing:,} otherwise' if found.differing else 'all the same'}.", err=True)
    if found.unexplained:
        say(f"passed over: {counted(found.unexplained, 'event')} without a kept command.", err=True)
    if found.differing > len(found.shown):
        say(f"{len(found.shown):,} of {found.differing:,} were shown: --limit shows more.", err=True)


def _print_table(found: Found) -> None:
    from refold.cli.tables import print_line  # noqa: PLC0415 - rich is loaded when it is needed

    for each in found.shown:
        data = "" if each.data is None else f" {for_people(each.data)}"
        print_line(
            (f"{each.stream}@{each.version}  ", "bold cyan"), (f"{each.command}{data}  ", ""), (each.verdict, "red")
        )
        for sign, style, error in (("-", "red", each.old_error), ("+", "green", each.new_error)):
            if error is not None:
                print_line((f"    {sign} ", style), (for_people(error), ""))
        if each.new_error is None:
            print_operations(each.diff, "    ", nothing="")
