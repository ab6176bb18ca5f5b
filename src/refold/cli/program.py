"""The command `refold` itself: its subcommands by name, and the one place where errors become lines and exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from refold._version import __version__
from refold.cli.exits import EXITS, Exit, code_of
from refold.cli.saying import harmless, say
from refold.cli.standard import abandon, flush
from refold.errors import RefoldError
from refold.secrecy import scrubbed

COMMANDS: Final = {
    "demo": "Show a small shop: a day of it, or live.",
    "new": "Make a project that runs and passes its tests.",
    "streams": "List the streams.",
    "show": "Show the events of a stream, or one event whole.",
    "tail": "Show the newest events, and follow them.",
    "state": "Show the state of a stream, now or at a time.",
    "diff": "Show what changed between two states of a stream.",
    "whatif": "Show the state of a stream if its history, or the code, were otherwise.",
    "redecide": "Decide kept commands again, and show where it comes out otherwise.",
    "send": "Send a command, and show what followed.",
    "undo": "Undo events, or a story, by further events.",
    "redo": "Redo what was undone.",
    "trace": "Show a story: which event led to which.",
    "run": "Keep the projections and processes of an application running.",
    "serve": "Serve the store over HTTP or gRPC.",
    "studio": "Look at the store in a browser.",
    "mcp": "Let an assistant look into the store, over MCP.",
    "token": "Let programs use the HTTP API.",
    "projections": "See, steer, rebuild and check read models.",
    "processes": "See and steer the instances of processes.",
    "timers": "See what is to come back to processes, and when.",
    "schedules": "Send commands at a time, or by a cron expression.",
    "outbox": "See and send what an application publishes.",
    "dead-letters": "See, retry and skip events that could not be applied.",
    "snapshots": "Take, check and drop saved states of streams.",
    "stats": "Count events, streams, types and categories.",
    "import": "Import an event log, or what another event store holds.",
    "export": "Export events: JSONL, CSV, Parquet, XES, OCEL, CloudEvents.",
    "copy": "Copy a store into a new one, as it is or transformed.",
    "diagram": "Draw the event model of an application.",
    "schema": "Lock, compare, show and export the shapes of events.",
    "upcast": "Check that every stored event can still be read.",
    "review": "Review an application by rules.",
    "rule": "Explain a rule of refold review.",
    "doctor": "Find what is wrong, and what to do about it.",
    "verify": "Check the whole store for damage.",
    "archive": "Move old closed streams to Parquet files, and back.",
    "backup": "Back up a store into one file, while others write.",
    "restore": "Restore a backup to where nothing is.",
    "forget": "Forget a person: what is personal is gone everywhere.",
    "migrate": "Bring a store to the format of this Refold.",
    "cluster": "Try out a cluster on this machine.",
    "bench": "Measure this machine and this database.",
}
"""Each stands in a module of its name, in `command`; kept here so that the list of them loads none."""

_GIVEN: Final = "refold.given"
_TRACEBACK: Final = "REFOLD_TRACEBACK"
_MODULES: Final = {"import": "importing", "export": "exporting", "dead-letters": "dead_letters"}


class Program(click.Group):
    """Loads a command when it is asked for, and says every error of ours in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"refold.cli.{_MODULES.get(cmd_name, cmd_name)}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            near = get_close_matches(args[0], COMMANDS, 3)
            known = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(COMMANDS)}."
            raise click.UsageError(f"there is no command {args[0]!r}: {known}", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Their names are known without loading them, and whoever presses Tab waits for it."""
        found = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> click.Context:  # noqa: ANN401 - as click has it
        given = (*args, *(value for name, value in os.environ.items() if name.startswith("REFOLD_")))
        with _no_secrets(given):
            made = super().make_context(info_name, args, *rest, **extra)
        made.meta[_GIVEN] = given
        return made

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click has it
        try:
            return self._done(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:  # whoever reads has read enough
            abandon()
            ctx.exit(Exit.OK)
        except KeyboardInterrupt:
            _say("interrupted.")
            ctx.exit(code_of(None))
        except RefoldError as error:
            _say(scrubbed(str(error), ctx.meta[_GIVEN]))
            ctx.exit(code_of(error))
        except Exception as error:  # noqa: BLE001 - whatever nobody foresaw
            ctx.exit(_unforeseen(error, ctx.meta[_GIVEN]))
        finally:
            flush()

    def _done(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click has it
        """What is told is written when this ends."""
        try:
            with _no_secrets(ctx.meta[_GIVEN]):
                result = super().invoke(ctx)
        except click.exceptions.Exit:
            sys.stdout.flush()
            raise
        sys.stdout.flush()
        return result


def _say(what: object) -> None:
    say(f"refold: {what}", err=True)


def _unforeseen(error: Exception, given: Sequence[str]) -> Exit:
    """Tell of an error that has no sentence of its own: what the system refuses, or a fault, and where it stands."""
    if os.environ.get(_TRACEBACK):
        sys.excepthook(type(error), error, error.__traceback__)
    if isinstance(error, OSError):
        _say(scrubbed(f"the system refuses something: {error}.", given))
        return Exit.UNREACHABLE
    place = traceback.extract_tb(error.__traceback__)[-1]
    what = scrubbed(f"{type(error).__name__}: {error}".rstrip(": "), given)
    _say(
        f"{what} ({place.filename}, line {place.lineno}). That is a fault: of the application, if its code is there; else of "
        f"Refold, and please report it, with all that {_TRACEBACK}=1 shows."
    )
    return Exit.FAULT


@contextmanager
def _no_secrets(given: Sequence[str]) -> Generator[None]:
    """What click says of a wrong call quotes it: a URL where no URL belongs, too."""
    try:
        yield
    except click.ClickException as error:
        vars(error)["message"] = harmless(scrubbed(error.message, given))
        raise


@click.group(
    cls=Program,
    help="""Look into an event store, bring event logs into it, take events out of it.

    \b
    Examples:
      refold streams --store shop.db
      refold import log.csv --store new.db
    """,
    epilog="Every command has examples: refold COMMAND --help.\n\n\b\n" + EXITS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="refold")
def program() -> None:
    """Run one command; see `help` above."""
