"""Old shapes tried out: examples of what was locked, led through the upcasters, and read by the classes of today."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import msgspec
from msgspec import Struct

from refold.chains import Key, StepFailed
from refold.errors import shortened
from refold.schema.examples import examples
from refold.schema.present import Present
from refold.schema.shapes import Schema
from refold.upcasting import JsonObject


class Trouble(Struct, frozen=True):
    """What went wrong. It is certain if it cannot be for the values alone, which are made up."""

    what: str
    is_certain: bool


def tried(now: Present, stored: Key, schema: Schema) -> tuple[Trouble, ...]:
    """What goes wrong with examples of a stored version, each once."""
    return tuple(dict.fromkeys(each for data in examples(schema) for each in _troubles(now, stored, data)))


def _troubles(now: Present, stored: Key, data: JsonObject) -> Iterator[Trouble]:
    try:
        read = list(now.chains.way(stored).taken(deepcopy(data)))
    except StepFailed as error:
        yield Trouble(str(error), _is_structural(error, data))
        return
    for (name, version), made in read:
        try:
            now.decode(name, msgspec.json.encode(made))
        except Exception as error:  # noqa: BLE001 - so may a user's class
            what = f"read as version {version} of {name} it does not fit: {error} It was {shortened(made)}"
            yield Trouble(
                what, not str(error).startswith(("Invalid RFC", "Invalid ISO", "Invalid UUID", "Invalid dec"))
            )


def _is_structural(failed: StepFailed, data: JsonObject) -> bool:
    """A key that is missing in a table of the upcaster's own is a question of values."""
    error = failed.__cause__
    if isinstance(error, KeyError):
        return not any(error.args[:1] == (value,) for value in data.values())
    return error is None or isinstance(error, TypeError | AttributeError | NameError)
