"""Read models, as commands come by them: the store, the database that they live in, and the application's projections."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import click

from refold.app import App
from refold.cli.apps import app_having, imported
from refold.cli.exits import NotFound
from refold.cli.loops import Looped
from refold.cli.options import app_option_for, archive_given, reading, store_url
from refold.errors import UsageError
from refold.flows.processes.consuming import CONSUMER
from refold.flows.projections.status import ProjectionStatus
from refold.ports import Target
from refold.projection import Projection
from refold.read_model import ReadModel
from refold.store import Store

F = TypeVar("F", bound=Callable[..., Any])

_TARGET: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _place(text: str) -> str:
    return text if _TARGET.fullmatch(text) else store_url(text)


into_option = click.option(
    "--into",
    type=_place,
    metavar="URL",
    envvar="REFOLD_INTO",
    show_envvar=True,
    help="The database that the read models live in, if that is not the store's; or MODULE:NAME of a target in an ORM.",
)
projections_option = app_option_for("projections to use")


class Models:
    """The read models in one database, with the handlers of `app` if it is needed. A mistyped path never makes a store."""

    def __init__(self, store: Store, into: Store | Target | None, app: str | None = None) -> None:
        self.store, self.into, self._app = store, into, app
        self.looped = Looped()

    @classmethod
    def reading(cls, url: str, into: str | None) -> Self:
        """To be looked at."""
        return cls(reading(url), None if into is None else target_at(into, reading))

    @classmethod
    def writing(cls, url: str, into: str | None, app: str | None = None) -> Self:
        """To be worked on."""
        return cls(existing(url), None if into is None else target_at(into, existing), app)

    def projection(self, name: str) -> Projection:
        """One of the application's.

        Raises:
            NotFound: it has none of this name.
        """
        if name.startswith(CONSUMER):
            raise NotFound(f"{name!r} is a process: `refold processes` mends it, retry and skip among its commands.")
        found = app_with_projections(self._app).projections
        if name not in found:
            raise NotFound(f"the app has no projection {name!r}: it has {', '.join(found)}.")
        return found[name]

    def model(self, name: str) -> ReadModel:
        """A read model, with the application's handlers."""
        return self.store.model(self.looped.blocking(self.projection(name)), into=self.into)

    def named(self, name: str) -> ReadModel:
        """A read model for what takes no handlers, so that no application is needed."""
        return self.store.model(Projection(name), into=self.into)

    def statuses(self) -> Sequence[ProjectionStatus]:
        """Every build of every projection."""
        return self.store.projections(into=self.into)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.looped.close()
        self.store.close()
        if isinstance(self.into, Store):
            self.into.close()


def target_at(into: str, opened: Callable[[str], Store]) -> Store | Target:
    """The database that `--into` names: a store, or what a module has for an ORM.

    Raises:
        UsageError: the module, or the name in it, is not there, or is no target; or it is one for code that awaits.
    """
    if not _TARGET.fullmatch(into):
        return opened(into)
    module, _, name = into.partition(":")
    found: object = getattr(imported("--into", into, module), name, None)
    if not isinstance(found, Target) or found.awaits:
        raise UsageError(
            f"--into {into!r}: that is no target for blocking code, such as SessionTarget or DjangoTarget."
        )
    return found


def app_with_projections(named: str | None) -> App:
    """The application.

    Raises:
        UsageError: none is named, or it has no projections.
    """
    app = app_having("projections", named)
    if not app.projections:
        raise UsageError("the app has no projections: name them in it, App(..., my_projection).")
    return app


def existing(url: str) -> Store:
    """The store, opened for writing; where there is none, that is told as it is when reading."""
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///").partition("?")[0]).is_file():
        reading(url).close()
    return Store.open(url, archive=archive_given())
