"""What an application's events, commands, upcasters and states look like now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast, get_type_hints

from refold.app import App
from refold.chains import Chains, Key
from refold.codec import form_of
from refold.errors import UpcasterError, UsageError
from refold.fold import Decider, Fold, parameter_classes
from refold.messages import OWN, RawEvent, Spec, spec_of
from refold.schema.canonical import canonical, fingerprint
from refold.schema.hashing import function_hash
from refold.schema.lock import Lock, Shape, named
from refold.upcasting import Upcaster


@dataclass(frozen=True)
class Present:
    """An application as it is: its classes by wire name, and what would be locked of them."""

    events: Mapping[str, type[Any]]
    commands: Mapping[str, type[Any]]
    upcasters: tuple[Upcaster[Any], ...]
    folds: Mapping[str, Fold[Any, Any]]

    @cached_property
    def versions(self) -> Mapping[str, int]:
        """The schema version that each type is written in."""
        return {name: spec_of(cls).version for name, cls in self.events.items()}

    @cached_property
    def contradiction(self) -> UpcasterError | None:
        """Two upcasters that lead on from one place, or a circle of them."""
        try:
            Chains(self.upcasters)
        except UpcasterError as error:
            return error
        return None

    @cached_property
    def chains(self) -> Chains:
        """Where its upcasters lead; nowhere, if they contradict each other."""
        return Chains(() if self.contradiction else self.upcasters)

    @cached_property
    def gaps(self) -> tuple[UpcasterError, ...]:
        """What is missing in the upcasters of its classes, whatever is stored."""
        return tuple(_gaps(self.chains, self.versions))

    def missing(self, stored: Key) -> Key | None:
        """Where a step or a class is missing on the way from a stored type and version."""
        ends = sorted(self.chains.way(stored).ends())
        return next((end for end in ends if self.versions.get(end[0]) != end[1]), None)

    @cached_property
    def lock(self) -> Lock:
        """What there is to lock."""
        hashes = {place_of(each): upcaster_hash(each) for each in self.upcasters}
        states = {category: _state_hash(fold) for category, fold in self.folds.items()}
        return Lock(
            {name: {self.versions[name]: _shape(cls, spec_of(cls))} for name, cls in self.events.items()},
            {name: _shape(cls, spec_of(cls, "command")) for name, cls in self.commands.items()},
            {place: found for place, found in hashes.items() if found is not None},
            {category: found for category, found in states.items() if found is not None},
        )

    def decode(self, type: str, data: bytes) -> object:
        """Data as the class of this type reads them; whatever that raises comes through."""
        cls = self.events[type]
        return form_of(cls, spec_of(cls)).decode(data)


def present(app: App) -> Present:
    """The application as it is; types of Refold's own are not its business.

    Raises:
        UsageError: two classes claim one name, or a class has no JSON Schema.
    """
    classes = [cls for cls in app.event_types if cls is not RawEvent and not spec_of(cls).name.startswith(OWN)]
    own = [upcaster for cls in classes for upcaster in spec_of(cls).upcasters]
    return Present(
        _by_name(classes, "event"),
        _by_name(dict.fromkeys(_commands(app)), "command"),
        tuple(_each_once(own)),
        app.folds,
    )


def _gaps(chains: Chains, versions: Mapping[str, int]) -> Iterator[UpcasterError]:
    for type, version in sorted(versions.items()):
        try:
            chains.check(type, version)
        except UpcasterError as error:
            yield error


def _each_once(upcasters: Iterable[Upcaster[Any]]) -> Iterator[Upcaster[Any]]:
    seen: list[Upcaster[Any]] = []
    for upcaster in upcasters:
        if upcaster not in seen:
            seen.append(upcaster)
            yield upcaster


def _by_name(classes: Iterable[type[Any]], kind: str) -> Mapping[str, type[Any]]:
    found: dict[str, type[Any]] = {}
    for cls in classes:
        known = found.setdefault(spec_of(cls, kind).name, cls)
        if known is not cls:
            raise UsageError(f"{known!r} and {cls!r} have one name, {spec_of(cls, kind).name!r}: give one another.")
    return found


def _commands(app: App) -> Iterator[type[Any]]:
    deciders = cast("list[Decider[Any, Any, Any]]", [fold for fold in app.folds.values() if isinstance(fold, Decider)])
    for decider in deciders:
        yield from (cls for cls in _annotated(decider.decide) if _is_command(cls))


def _annotated(decide: Callable[..., object]) -> tuple[type[Any], ...]:
    try:
        return parameter_classes(decide, 0, "")
    except UsageError:  # a lambda: what it takes cannot be seen
        return ()


def _is_command(cls: type[Any]) -> bool:
    try:
        return spec_of(cls, "command").kind == "command"
    except UsageError:
        return False


def _shape(cls: type[Any], spec: Spec) -> Shape:
    schema = canonical(cls)
    tags = (function_hash(spec.tags) or ()) if callable(spec.tags) else spec.tags
    subject = function_hash(spec.subject) if callable(spec.subject) else spec.subject
    return Shape(fingerprint(schema), schema, tags, spec.public, subject)


def place_of(upcaster: Upcaster[Any]) -> str:
    """What it leads on from, as it stands in the lock."""
    return upcaster.type if upcaster.version is None else named(upcaster.type, upcaster.version)


def upcaster_hash(upcaster: Upcaster[Any]) -> str | None:
    """The fingerprint of where it leads and of what it does; None where its source is not to be had."""
    change = function_hash(upcaster.change)
    return None if change is None else fingerprint([upcaster.into, change])


def _state_hash(fold: Fold[Any, Any]) -> str | None:
    """The fingerprint of the schema of a fold's state; None where that cannot be told."""
    try:
        return fingerprint(canonical(_state_class(fold)))
    except (UsageError, KeyError, NameError, TypeError):
        return None


def _state_class(fold: Fold[Any, Any]) -> type[Any]:
    if isinstance(fold.initial, type):
        return fold.initial
    state: type[Any] = get_type_hints(fold.evolve)["return"]
    return state
