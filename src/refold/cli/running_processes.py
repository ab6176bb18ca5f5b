"""Processes, as commands come by them: by name alone, or with the application's code."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from refold.cli.apps import application
from refold.cli.exits import NotFound
from refold.cli.models import existing
from refold.cli.options import app_option_for
from refold.cli.parts import AnyProcess
from refold.errors import UsageError
from refold.flows.processes.consuming import CONSUMER
from refold.flows.processes.journal import CancelAsked
from refold.instances import Instances
from refold.process import Process
from refold.store import Store

F = TypeVar("F", bound=Callable[..., Any])

processes_option = app_option_for("processes to use")
reason_option = click.option(
    "--reason", default="by hand", show_default=True, help="Why: it is kept with the instance."
)
actor_option = click.option("--actor", metavar="NAME", help="In whose name.")


def named(store: Store, name: str) -> Instances:
    """The instances of a process, for what takes no code, so that no application is needed."""
    nothing: Process[Any, Any] = Process(name, lambda: None, lambda _e, _s: (), lambda s, _e: s, events=(CancelAsked,))
    return store.process(nothing)


def names_in(store: Store) -> Sequence[str]:
    """The processes that have taken something in."""
    return sorted({
        each.name.removeprefix(CONSUMER) for each in store.projections() if each.name.startswith(CONSUMER)
    })  # fmt: skip


@contextmanager
def steering(url: str, app: str | None, name: str, actor: str | None = None) -> Generator[Instances]:
    """The instances of one of the application's processes, to be worked on."""
    process = process_of(app, name)
    with existing(url) as store:
        yield store.context(actor=actor).process(process)


def process_of(named: str | None, name: str) -> AnyProcess:
    """One of the application's processes.

    Raises:
        UsageError: no application is named.
        NotFound: it has none of this name.
    """
    app = application(named)
    if app is None:
        raise UsageError("which processes? Name the application that has them: --app module:name, or REFOLD_APP.")
    if name not in app.processes:
        raise NotFound(f"the app has no process {name!r}: it has {', '.join(app.processes) or 'none'}.")
    return app.processes[name]
