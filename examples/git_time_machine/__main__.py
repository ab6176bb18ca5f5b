"""The command: read a repository's history, and list the files of a commit or a time as `git ls-tree -r` does."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import click
from examples.git_time_machine.gitlog import GitFailed, resolved
from examples.git_time_machine.importing import LIMITS, Imported, import_history
from examples.git_time_machine.lines import Lines, tree_at
from examples.git_time_machine.paths import as_bytes
from examples.git_time_machine.tree import Tree
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from refold import RefoldError, Store

_DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Moment:
    """A commit; with a time, the last on the way of first parents to it that was true then."""

    commit: str
    time: datetime | None = None


@click.command(help=__doc__)
@click.argument("repository", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--at", metavar="TIME|COMMIT", help="A time such as 2025-03-03T12:00+01:00 (without a zone: UTC), or a commit."
)
@click.option("--store", default="git.db", show_default=True, help="Where to keep the events: a file, or a URL.")
def main(repository: Path, at: str | None, store: str) -> None:
    """See the docstring of this module, which `--help` shows."""
    try:
        head = resolved(repository, "HEAD")
        moment = Moment(head) if at is None else _moment(repository, head, at)
        with Store.open(store if "://" in store else f"sqlite:///{store}", limits=LIMITS) as opened:
            tree = _tree(opened, repository, head, moment)
    except (GitFailed, RefoldError) as error:
        raise click.ClickException(str(error)) from error
    if at is None:
        _note(f"List them with --at HEAD, or at another commit or a time: --at {datetime.now(UTC):%Y-%m-%d}.")
    else:
        sys.stdout.writelines(listing(tree))


def _tree(store: Store, repository: Path, head: str, moment: Moment) -> Tree:
    """The tree that was asked for, after reading what is new."""
    known, began = Lines.of(store), perf_counter()
    with _progress() as tell:
        imported = import_history(store, repository, head, known, tell)
    _tell_imported(imported, known, perf_counter() - began)
    if moment.commit not in known.places:
        raise click.ClickException(
            f"commit {moment.commit} is not in the history of HEAD: check out a branch that has it."
        )
    tree = tree_at(store, known, moment.commit, time=moment.time)
    _note(f"{len(tree.files):,} files at {_described(tree, known)}")
    return tree


def _moment(repository: Path, head: str, at: str) -> Moment:
    if not _DATE.match(at):
        return Moment(resolved(repository, at))
    try:
        time = datetime.fromisoformat(at)
    except ValueError as error:
        raise click.BadParameter(f"{at!r} is not a time such as 2025-03-03 or 2025-03-03T12:00+01:00.") from error
    return Moment(head, time if time.tzinfo else time.replace(tzinfo=UTC))


def listing(tree: Tree) -> Iterator[str]:
    """The lines that `git -c core.quotePath=false ls-tree -r` would print."""
    for path, file in sorted(tree.files.items(), key=lambda item: as_bytes(item[0])):
        kind = "commit" if file.mode == "160000" else "blob"  # a submodule is a commit of another repository
        yield f"{file.mode} {kind} {file.hash}\t{path}\n"


def _tell_imported(imported: Imported, known: Lines, seconds: float) -> None:
    if imported.commits:
        rate = imported.events / seconds
        _note(
            f"New: {imported.commits:,} commits, {imported.events:,} events in {seconds:.1f} s, {rate:,.0f} a second."
        )
    _note(f"Known: {len(known.places):,} commits, lines of history: {len(known.tips):,}.")


def _described(tree: Tree, known: Lines) -> str:
    if not tree.commit:
        return "a time before the first commit."
    return f"commit {tree.commit[:12]}, true since {known.places[tree.commit].valid_at:%Y-%m-%d %H:%M:%S} UTC."


def _note(text: str) -> None:
    print(text, file=sys.stderr)


@contextmanager
def _progress() -> Generator[Callable[[int, int], None]]:
    """A bar on a terminal, on stderr, since stdout carries the files."""
    console = Console(stderr=True)
    columns = (TextColumn("Reading history"), BarColumn(), MofNCompleteColumn(), TextColumn("commits"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


if __name__ == "__main__":
    main()
