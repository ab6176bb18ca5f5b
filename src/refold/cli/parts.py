"""What of an application is run: its projections and processes, and who takes what the processes send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from msgspec import Struct

from refold.app import App
from refold.cli.apps import app_having
from refold.cli.exits import NotFound
from refold.cli.loops import Looped
from refold.duties import Receiver
from refold.errors import ProjectionStopped, RefoldError, UsageError
from refold.flows.processes.consuming import consumer_name
from refold.process import Process
from refold.projection import Projection
from refold.sagas import Saga
from refold.store import Store

AnyProcess: TypeAlias = Process[Any, Any] | Saga[Any]


class Parts(Struct, frozen=True):
    """Parts of an application that a runner keeps running."""

    projections: Sequence[Projection]
    processes: Sequence[AnyProcess] = ()
    receivers: Sequence[Receiver] = ()

    @property
    def names(self) -> Sequence[str]:
        """Those of the projections, and of what takes in the inputs of the processes."""
        return [*(each.name for each in self.projections), *(consumer_name(each.name) for each in self.processes)]

    @property
    def told(self) -> Sequence[str]:
        """Each in words."""
        told = [f"{each.name} (version {each.version})" for each in self.projections]
        return [*told, *(f"process {each.name} (version {each.version})" for each in self.processes)]

    def catch_up(self, store: Store) -> dict[str, RefoldError]:
        """Do all that the processes can do now, and say which of them cannot go on, and why."""
        stopped: dict[str, RefoldError] = {}
        head = -1
        while head != (head := int(store.head())):
            for process in self.processes:
                try:
                    store.process(process).catch_up(*self.receivers)
                except ProjectionStopped as error:
                    stopped[process.name] = error
        return stopped


def parts_of(named: str | None, names: Sequence[str], looped: Looped) -> Parts:
    """The parts of the application that is named, or only those of some names.

    Raises:
        UsageError: no application is named, or nothing of it runs.
        NotFound: it has no part of a name.
    """
    app = app_having("projections", named)
    if not (app.projections or app.processes):
        raise UsageError("the app has no projections: name them in it, App(..., my_projection).")
    for name in names:
        if name not in {*app.projections, *app.processes}:
            what = "projection or process" if app.processes else "projection"
            raise NotFound(f"the app has no {what} {name!r}: it has {', '.join([*app.projections, *app.processes])}.")
    processes = [each for each in app.processes.values() if not names or each.name in names]
    return Parts(
        [looped.blocking(each) for each in app.projections.values() if not names or each.name in names],
        processes,
        receivers_of(app, looped) if processes else (),
    )


def receivers_of(app: App, looped: Looped) -> Sequence[Receiver]:
    """Who takes what the processes of an application send."""
    return [*app.deciders.values(), *app.closings.values(), *map(looped.blocking, app.effects.values())]
