"""`refold trace`: a story, as a tree of what caused what."""

from __future__ import annotations

import click

from refold.cli.events import OF_THE_STORE
from refold.cli.exits import NotFound
from refold.cli.options import output_option, reading, store_option
from refold.cli.output import Column, Listing, chosen, print_list
from refold.cli.saying import say
from refold.cli.show import one_event
from refold.cli.story import Node, trees
from refold.cli.values import for_people, on_one_line
from refold.marks import REDOES, UNDOES
from refold.store import Store

_LISTING: Listing[Node] = Listing(
    (Column("kind", lambda n: n.kind), Column("id", lambda n: n.id), Column("name", lambda n: n.name)),
    lambda node: node,
)


@click.command(
    "trace",
    short_help="Show a story: which event led to which.",
    help="""Show all events of one story as a tree: each event under the command that yielded it, each command under the
    event that caused it.

    WHAT is a correlation id, or any event of the story: STREAM@VERSION, '#POSITION', or its id. An imported log has one story
    a stream, of its name.

    \b
    Examples:
      refold trace order-1 --store shop.db
      refold trace cart-c-1@2 --store shop.db --list
      refold trace order-1 --store shop.db --output json
    """,
)
@click.argument("what")
@store_option
@click.option("--tree/--list", "tree", default=True, show_default=True, help="By what caused what, or by position.")
@output_option()
def command(what: str, url: str, output: str, *, tree: bool) -> None:
    """See `help` above."""
    with reading(url) as store:
        story = _story(store, what)
        events = store.read(correlation_id=story)
        if next(store.read(correlation_id=story, limit=1), None) is None:
            raise NotFound(f"there is no story {what!r}: give a correlation id, or an event.")
        if not tree:
            print_list(OF_THE_STORE, events, output)
            return
        roots = trees(events)
    match chosen(output):
        case "table":
            _draw(story, roots)
        case "json" | "jsonl":
            print_list(_LISTING, roots, output)
        case "csv":
            raise click.UsageError("a tree is no table: take --list --output csv.")
        case _:
            _indent(roots, "")


def _story(store: Store, what: str) -> str:
    if next(store.read(correlation_id=what, limit=1), None) is not None:
        return what
    event = one_event(store, what)
    return event.metadata.correlation_id if event else what


def _indent(nodes: list[Node], margin: str) -> None:
    for node in nodes:
        say(margin + "".join(text for text, _ in _line(node)))
        _indent(node.children, margin + "  ")


def _draw(story: str, roots: list[Node]) -> None:
    from refold.cli.tables import print_line, print_trees  # noqa: PLC0415 - rich is loaded when it is needed

    print_line(("story ", "dim"), (on_one_line(story), "bold"))
    print_trees(roots, _line)


def _line(node: Node) -> list[tuple[str, str]]:
    event = node.event
    if event is None:
        return [(on_one_line(node.name), "bold yellow"), ("  command", "dim")]
    when = for_people(event.valid_at or event.recorded_at)
    return [
        (on_one_line(node.name), "cyan"),
        *((f"  {mark[1:]} it", "yellow") for mark in (UNDOES, REDOES) if mark in event.metadata.free),
        (f"  {on_one_line(str(event.stream))}@{event.version}", ""),
        (f"  #{event.position}  {when}", "dim"),
    ]
