"""Chains: the upcasters of one store, checked, and composed into one way from each stored shape to what it is read as."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from refold.errors import UpcasterError, shortened
from refold.upcasting import JsonObject, Upcaster

Key: TypeAlias = tuple[str, int]
"""A type and a schema version."""
Step: TypeAlias = Upcaster[Any]


class StepFailed(Exception):
    """An upcaster raised, or gave something else than it must."""

    def __init__(self, step: Step, reason: str) -> None:
        self.step = step
        super().__init__(f"upcaster {step} {reason}")


@dataclass(frozen=True, slots=True)
class Way:
    """All steps from one stored shape: one after another, up to its end or to where it is split into several ways."""

    steps: tuple[Step, ...]
    end: Key
    fork: Step | None = None
    parts: Mapping[str, Way] | None = None

    def ends(self) -> frozenset[Key]:
        """What it may be read as."""
        if self.parts is None:
            return frozenset({self.end})
        return frozenset(end for part in self.parts.values() for end in part.ends())

    def taken(self, data: JsonObject) -> Iterator[tuple[Key, JsonObject]]:
        """What data become: a type and version, and data, for each event.

        Raises:
            StepFailed: an upcaster raised, or gave something else than it must.
        """
        for step in self.steps:
            data = _object(step, _called(step, data))
        if self.fork is None or self.parts is None:
            yield self.end, data
            return
        for type, part in _parts(self.fork, data):
            if type not in self.parts:
                raise StepFailed(self.fork, f"gave an event of type {shortened(type)}, which it does not name")
            yield from self.parts[type].taken(_object(self.fork, part))


def _called(step: Step, data: JsonObject) -> object:
    try:
        return step.change(data)
    except Exception as error:  # whatever a user's function raises
        raise StepFailed(step, f"raised {type(error).__name__}: {error}") from error


def _object(step: Step, data: object) -> JsonObject:
    if not isinstance(data, dict):
        raise StepFailed(step, f"gave {shortened(data)}, which is no dict")
    return cast("JsonObject", data)


def _parts(fork: Step, data: JsonObject) -> list[tuple[str, object]]:
    try:
        parts = [(type, part) for type, part in fork.change(data)]
    except Exception as error:
        raise StepFailed(fork, f"raised {type(error).__name__}: {error}") from error
    if not parts:
        raise StepFailed(fork, "gave no event")
    return parts


class Chains:
    """Upcasters by where they lead from."""

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        """Of these upcasters; one that is given twice counts once.

        Raises:
            UpcasterError: two lead on from the same shape, or they lead in a circle.
        """
        self._next: dict[tuple[str, int | None], Step] = {}
        self._from: dict[str, list[Step]] = {}
        self._into: dict[str, list[Step]] = {}
        for step in steps:
            self._add(step)
        versions = (version for step in self.steps for version in (step.version, *(to for _, to in step.into)))
        self._highest = max((version for version in versions if version is not None), default=1)
        sound = set[Key]()
        for key in self._keys(self._from, self._highest):
            self._check_circles(key, (), sound)

    def _add(self, step: Step) -> None:
        other = self._next.setdefault((step.type, step.version), step)
        if other != step:
            raise UpcasterError(
                step.type, step.version,
                f"two upcasters lead on from {_named(step.type, step.version)}: {other} and {step}. "
                "A stored event is read in one way: leave one of them out.",
            )  # fmt: skip
        if step not in self._from.setdefault(step.type, []):
            self._from[step.type].append(step)
            for to, _ in step.into:
                self._into.setdefault(to, []).append(step)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All of them, each once."""
        return tuple(self._next.values())

    def _keys(self, types: Iterable[str], highest: int) -> Iterator[Key]:
        return ((type, version) for type in types for version in range(1, highest + 1))

    def _check_circles(self, key: Key, before: tuple[Key, ...], sound: set[Key]) -> None:
        if key in before:
            circle = " -> ".join(_named(*each) for each in (*before[before.index(key) :], key))
            raise UpcasterError(*key, f"upcasters lead in a circle: {circle}. Leave one of them out.")
        if key not in sound:
            for target in self._targets(key):
                self._check_circles(target, (*before, key), sound)
            sound.add(key)

    def _step(self, key: Key) -> Step | None:
        return self._next.get(key) or self._next.get((key[0], None))

    def _targets(self, key: Key) -> tuple[Key, ...]:
        step = self._step(key)
        return () if step is None else tuple((type, key[1] if to is None else to) for type, to in step.into)

    # Checks of a class ----------------------------------------------------------

    def check(self, type: str, version: int) -> None:
        """Whether every way to a class leads up to its version, and from every version before it.

        Raises:
            UpcasterError: a step is missing, or one leads past the class. It names the step.
        """
        if step := self._step((type, version)):
            raise UpcasterError(
                type, version,
                f"upcaster {step} leads on from {_named(type, version)}, which has a class: give the class the later version, "
                "or leave the upcaster out.",
            )  # fmt: skip
        for step in self._into.get(type, ()):
            for _, to in (each for each in step.into if each[0] == type):
                if to is not None and to > version:
                    raise UpcasterError(
                        type, version, f"upcaster {step} leads past {_named(type, version)}, which the class has."
                    )
                if to is not None and to < version:
                    self._check_leads_on(type, to)
        for each in sorted(self.names(type) - {type}):
            self._check_total(each, max(step.version or 0 for step in self._from[each]) + 1)
        if type in self._from or any(step.version is None for step in self._into.get(type, ())):
            self._check_total(type, version)

    def _check_total(self, type: str, version: int) -> None:
        for before in range(1, version):
            self._check_leads_on(type, before)

    def _check_leads_on(self, type: str, version: int) -> None:
        if self._step((type, version)) is None:
            raise UpcasterError(
                type, version,
                f"no upcaster leads on from {_named(type, version)}, so an event stored with it could not be read: "
                f"write @upcast({type!r}, {version}, to={version + 1}).",
            )  # fmt: skip

    # What is read as what -------------------------------------------------------

    def names(self, type: str) -> frozenset[str]:
        """The types that may be stored for what is read as `type`."""
        found, new = frozenset[str](), frozenset({type})
        while new:
            found |= new
            new = frozenset(step.type for to in new for step in self._into.get(to, ())) - found
        return found

    def way(self, key: Key) -> Way:
        """The way from one stored shape on; without a step, if that is how it is read."""
        steps: list[Step] = []
        while (step := self._step(key)) is not None:
            if len(step.into) > 1:
                return Way(tuple(steps), key, step, {target[0]: self.way(target) for target in self._targets(key)})
            if step.version is not None:
                steps.append(step)
            (key,) = self._targets(key)
        return Way(tuple(steps), key)

    def leads_on(self, key: Key) -> bool:
        """Whether what is stored so is not read as it is."""
        return self._step(key) is not None

    def ways(self, types: Iterable[str], highest: int) -> Mapping[Key, Way]:
        """The ways from these types, of what is not read as it is, up to a version."""
        keys = self._keys(types, max(highest, self._highest)) if self._next else ()
        return {key: self.way(key) for key in keys if self.leads_on(key)}


def _named(type: str, version: int | None) -> str:
    return f"{type!r}" if version is None else f"version {version} of {type!r}"
