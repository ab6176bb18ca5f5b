"""`refold schema show` and `export`: the shapes of events, for people and for other programs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

import click

from refold.cli.exits import NotFound
from refold.cli.lockfiles import file_option, lock_in, schema_app_option, the_application
from refold.cli.options import output_option
from refold.cli.output import chosen, print_object
from refold.cli.saying import write
from refold.cli.values import indented
from refold.errors import Refused, UsageError
from refold.schema.documents import DRAFT, asyncapi, described, json_schema
from refold.schema.lock import LOCK_FILE, Lock, Shape, named, of_name
from refold.schema.present import Present
from refold.schema.shapes import Schema


@click.command(
    "show",
    short_help="Show the JSON Schema of an event.",
    help="""Show the JSON Schema of an event: of its class, or of a version that is locked.

    \b
    Examples:
      refold schema show cart.item-added --app shop:app
      refold schema show cart.item-added@1 --app shop:app --output json
    """,
)
@click.argument("type", metavar="TYPE[@V]")
@schema_app_option
@file_option
@output_option()
def show(type: str, app: str | None, file: str, output: str) -> None:
    """See `help` above."""
    now = the_application(app)
    name, version = (type, None) if type in now.events else of_name(type)
    schema = {"$schema": DRAFT, **_schema(now, name, version, file)}
    if chosen(output) in {"plain", "table"}:
        write(indented(schema) + "\n")
    else:
        print_object(schema, output, lambda: None)


def _schema(now: Present, type: str, version: int | None, file: str) -> Schema:
    if type in now.events and version in {None, now.versions[type]}:
        return described(now.events[type])
    lock = lock_in(file) if Path(file).exists() else Lock()
    locked: Mapping[int, Shape] = lock.events.get(type, {})
    wanted = max(locked, default=0) if version is None else version
    if wanted in locked:
        return locked[wanted].schema
    if type not in now.events and not locked:
        near = difflib.get_close_matches(type, now.events, n=1)
        hint = f" Is it {near[0]!r}?" if near else ""
        raise NotFound(f"there is no event {type!r} in the application, or in {file!r}.{hint}")
    known = sorted({*locked, *([now.versions[type]] if type in now.events else [])})
    raise NotFound(f"there is no {named(type, version or 0)}: known versions are {', '.join(map(str, known))}.")


@click.command(
    "export",
    short_help="Export the schemas as JSON Schema or AsyncAPI.",
    help="""Export the schemas of all events, with their titles and descriptions, to FILE, or with - to stdout.

    jsonschema is one document with each event under $defs; asyncapi is an AsyncAPI 3.0 document with a channel for each
    category of streams.

    \b
    Examples:
      refold schema export --app shop:app
      refold schema export api.json --format asyncapi --title Shop --app shop:app
    """,
)
@click.argument("file", default="-")
@schema_app_option
@click.option("--format", type=click.Choice(["jsonschema", "asyncapi"]), default="jsonschema", show_default=True)
@click.option("--public", is_flag=True, help="Only events that are public.")
@click.option("--title", default="Events", show_default=True, help="Of the AsyncAPI document.")
@click.option("--version", "version", default="1", show_default=True, help="Of the AsyncAPI document.")
@click.option("--yes", is_flag=True, help="Replace FILE if it is there.")
def export(file: str, app: str | None, format: str, title: str, version: str, *, public: bool, yes: bool) -> None:
    """See `help` above."""
    now = the_application(app)
    is_api = format == "asyncapi"
    document = asyncapi(now, title=title, version=version, public=public) if is_api else json_schema(now, public=public)
    text = indented(document) + "\n"
    if file == "-":
        write(text)
        return
    if Path(file).exists() and not yes:
        raise Refused(f"{file!r} is there already: choose another name, or replace it with --yes.")
    if Path(file).name == LOCK_FILE:
        raise UsageError(f"{file!r} is the name of the lock: choose another.")
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file!r} cannot be written: {error.strerror or error}.") from error
