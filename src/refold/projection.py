"""Projection: which events matter to a read model, and the statements that each one causes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from refold.errors import UsageError
from refold.messages import Recorded, checked_name, spec_of

E = TypeVar("E")

SqlValue: TypeAlias = int | float | str | bytes | None


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with named parameters (`:name`), for the database that the read model lives in."""

    text: str
    params: Mapping[str, SqlValue] = field(default_factory=dict[str, SqlValue])


def sql(text: str, /, **params: SqlValue) -> Statement:
    """A statement whose parameters are written `:name`."""
    return Statement(text, params)


Handler: TypeAlias = Callable[[Recorded[E]], Iterable[Statement]]


class Projection:
    """Events to statements, under a name and a version.

    What the statements change and the projection's checkpoint are committed together, so each event counts once.
    `schema` is SQL that makes the tables; it runs once, in the transaction of the first step.
    """

    def __init__(self, name: str, *, version: int = 1, schema: str = "") -> None:
        self.name = checked_name("projection name", name)
        if version < 1:
            raise UsageError(f"projection {name!r} has version {version}: the first is 1.")
        self.version, self.schema = version, schema
        self._handlers: dict[type[Any], Handler[Any]] = {}

    def on(self, event: type[E]) -> Callable[[Handler[E]], Handler[E]]:
        """Handle one class of events; those without a handler are passed over.

        Raises:
            UsageError: the class is no event, or has a handler already.
        """

        def register(handler: Handler[E]) -> Handler[E]:
            spec_of(event)
            if event in self._handlers:
                raise UsageError(
                    f"projection {self.name!r} handles {event.__name__} already: one handler for one event."
                )
            self._handlers[event] = handler
            return handler

        return register

    @property
    def event_types(self) -> tuple[type[Any], ...]:
        """The classes that have a handler."""
        return tuple(self._handlers)

    def project(self, recorded: Recorded[Any]) -> Iterable[Statement]:
        """The statements that an event causes: none, if it has no handler."""
        handler = self._handlers.get(recorded.data.__class__)
        return () if handler is None else handler(recorded)

    def __repr__(self) -> str:
        return f"Projection({self.name!r}, version={self.version})"
