"""What is to be otherwise in a history, as the command line is told it: versions, and files of events as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import click
import msgspec

from refold.codec import Codec, as_json
from refold.decoding import events_of
from refold.errors import UndecodableEvent, UnknownEventType, UsageError
from refold.flows.whatif import Edits
from refold.fold import Fold
from refold.messages import RawEvent, spec_of


class Told(msgspec.Struct, frozen=True):
    """An event as people write it. An exported one is such, too: what else it has is passed over."""

    type: str
    data: dict[str, Any]
    schema_version: int = 1


class ToldEdits(msgspec.Struct, frozen=True):
    """Edits that no code has read yet, for whichever code is to fold them."""

    drop: tuple[int, ...] = ()
    replace: Mapping[int, Told] = {}
    insert: Mapping[int, tuple[Told, ...]] = {}

    @staticmethod
    def of(
        drop: Sequence[int], replace: Sequence[tuple[int, Told]], insert: Sequence[tuple[int, Sequence[Told]]]
    ) -> ToldEdits:
        """As options say it, one after another: what is inserted after one version stands there in that order.

        Raises:
            UsageError: a version is replaced twice.
        """
        versions = [version for version, _ in replace]
        if twice := sorted({version for version in versions if versions.count(version) > 1}):
            raise UsageError(f"version {twice[0]} is replaced twice: say one of them.")
        inserted: dict[int, tuple[Told, ...]] = {}
        for after, events in insert:
            inserted[after] = (*inserted.get(after, ()), *events)
        return ToldEdits(tuple(drop), dict(replace), inserted)

    def read_by(self, fold: Fold[Any, Any]) -> Edits[Any]:
        """The same with events of a fold's classes.

        Raises:
            UsageError: an event is none of them, or a version both dropped and replaced.
        """
        read = reader(fold)
        replace = {version: read(told) for version, told in self.replace.items()}
        insert = {after: tuple(chain.from_iterable(map(read, told))) for after, told in self.insert.items()}
        return Edits[Any].of(self.drop, replace, insert)


def reader(fold: Fold[Any, Any]) -> Callable[[Told], Sequence[object]]:
    """Makes events of a fold's classes of what people write: one, unless upcasters read it as several, or none."""
    decoders = Codec().decoders(fold.event_types)

    def read(told: Told) -> Sequence[object]:
        shape = told.type, told.schema_version
        try:
            return events_of(decoders, *shape, msgspec.json.encode(told.data), f"{fold.category}-?", 0, 0)
        except UndecodableEvent as error:
            if decoders.raw or shape in decoders or shape in decoders.older:
                raise UsageError(f"the data of an event {told.type!r} do not fit its class: {error.reason}.") from error
            raise _not_taken_in(fold, told) from error
        except UnknownEventType as error:
            raise _not_taken_in(fold, told) from error

    return read


def _not_taken_in(fold: Fold[Any, Any], told: Told) -> UsageError:
    return UsageError(
        f"the fold of {fold.category!r} takes in no event {told.type!r} of schema version {told.schema_version}."
    )


def told(event: object) -> Told:
    """An event as people write it."""
    if isinstance(event, RawEvent):
        return Told(event.type, dict(event.data), event.version)
    spec = spec_of(type(event))
    return Told(spec.name, as_json(event), spec.version)


def one_event(text: str) -> tuple[int, Told]:
    """The value of `--replace`: a version, and the event in a file."""
    version, events = some_events(text)
    if len(events) != 1:
        raise click.BadParameter(f"{text!r} names a file of {len(events)} events: one takes the place of one.")
    return version, events[0]


def some_events(text: str) -> tuple[int, Sequence[Told]]:
    """The value of `--insert`: a version, and the events in a file, one as an object or several as an array."""
    version, _, path = text.partition("=")
    if not (version.isdecimal() and path):
        raise click.BadParameter(f"{text!r} is not VERSION=FILE, such as 3=event.json.")
    try:
        found: Told | tuple[Told, ...] = msgspec.json.decode(Path(path).read_bytes(), type=Told | tuple[Told, ...])
    except OSError as error:
        raise click.BadParameter(f"{path!r} cannot be read: {error.strerror}.") from error
    except msgspec.DecodeError as error:
        raise click.BadParameter(
            f"{path!r} holds no event such as "
            f'{{"type": "cart.item-added", "data": {{"sku": "b-1"}}}}, or an array of such: {error}.'
        ) from error
    return int(version), (found,) if isinstance(found, Told) else found
