"""Fingerprint: a short text that is another one as soon as a fold might make another state of the same events."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from inspect import get_annotations
from types import CodeType, FunctionType
from typing import Any, Final, get_type_hints

import msgspec

from refold.chains import Chains, Key, Way
from refold.fold import Fold
from refold.messages import RawEvent, spec_of
from refold.reach import owners, reached, within
from refold.telling import Telling

_FORMAT: Final = 2
"""Raised when Refold itself makes, writes or reads states otherwise than before."""

_GENERATED: Final = ("<string>", "<attrs generated")
"""Where the methods stand that a decorator writes: they follow from the fields."""
_HAS_DOCSTRING: Final = 0x4000000


def fingerprint(fold: Fold[Any, Any], state: object, version: int, ways: Mapping[Key, Way] | None = None) -> str:
    """32 hexadecimal digits for a fold, and the annotation of its `state`.

    In it: the compiled code of `initial` and `evolve`, of the functions and classes that they name or import, and so on; the
    constants and defaults that these read, by what they hold; the fields of the classes of state and events, the events' names
    and versions, and the upcasters on the `ways` to them, by default those of the classes themselves. Not in it: names of
    modules, docstrings, lines, annotations of functions. Code of the standard library and of other installed packages is told
    by its name and its package's `__version__`. `version` is for what no program can see.
    """
    from hashlib import blake2b  # noqa: PLC0415 - OpenSSL is loaded when it is needed

    described = _Describing(set(owners(fold.evolve, fold.initial, *fold.event_types)))
    ways = _own_ways(fold) if ways is None else ways
    stored = (*map(_stored, fold.event_types), sorted(ways.items(), key=lambda way: way[0]))
    parts = [described.of(part) for part in (fold.initial, fold.evolve, state, *fold.event_types, *stored)]
    text = repr((_FORMAT, sys.version_info[:2], version, parts, described.definitions))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _own_ways(fold: Fold[Any, Any]) -> Mapping[Key, Way]:
    chains = Chains(step for event in fold.event_types if event is not RawEvent for step in spec_of(event).upcasters)
    return chains.ways({step.type for step in chains.steps}, 1)


def _stored(event: type[Any]) -> object:
    """Under which name and version a class is stored."""
    if event is RawEvent:
        return None
    spec = spec_of(event)
    return spec.name, spec.version


class _Describing(Telling):
    """Functions by their code and by what that reaches, classes by their fields and by what else they define."""

    def _definition(self, value: type[Any] | FunctionType) -> Iterator[str]:
        return self._of_class(value) if isinstance(value, type) else self._of_function(value)

    def _of_function(self, function: FunctionType) -> Iterator[str]:
        cells = tuple(cell.cell_contents for cell in function.__closure__ or () if is_filled(cell))
        yield self.of((function.__defaults__, tuple((function.__kwdefaults__ or {}).items()), cells))
        for code in within(function.__code__):
            yield from self._of_code(code)
        for name, value in reached(function.__code__, function.__globals__, self._own):
            yield f"{name} = {self.of(value)}"

    def _of_code(self, code: CodeType) -> Iterator[str]:
        consts = code.co_consts[1:] if _has_docstring(code) else code.co_consts
        yield repr((code.co_code, code.co_exceptiontable, code.co_flags & ~_HAS_DOCSTRING, code.co_argcount))
        yield repr(
            (code.co_posonlyargcount, code.co_kwonlyargcount, code.co_names, code.co_varnames[: code.co_argcount])
        )
        yield from (self.of(const) for const in consts if not isinstance(const, CodeType))

    def _of_class(self, cls: type[Any]) -> Iterator[str]:
        yield self.of(cls.__bases__)
        yield self.of(tuple(_hints(cls).items()))
        yield from self._of_fields(cls)
        of_others = "_" if issubclass(cls, Enum) else "__"  # an enum keeps there what it was asked for so far
        for name, attribute in vars(cls).items():
            if not (name.startswith(of_others) and not _is_code(attribute)) and not _is_generated(attribute):
                yield f"{name} = {self.of(attribute)}"

    def _of_fields(self, cls: type[Any]) -> Iterator[str]:
        if issubclass(cls, Enum):
            yield self.of(tuple((member.name, member._value_) for member in cls))
        elif issubclass(cls, msgspec.Struct):
            for field in msgspec.structs.fields(cls):
                yield self.of((field.name, field.encode_name, _given(field.default), _given(field.default_factory)))
        elif dataclasses.is_dataclass(cls):
            for each in dataclasses.fields(cls):
                yield self.of((each.name, each.init, each.kw_only, _given(each.default), _given(each.default_factory)))
        elif attributes := getattr(cls, "__attrs_attrs__", ()):
            for each in attributes:
                yield self.of((each.name, each.default, each.converter, each.validator))
        elif callable(getattr(cls, "model_json_schema", None)):
            yield self.of(_schema(cls))
            yield self.of(tuple((name, each.default_factory) for name, each in cls.model_fields.items()))


def _schema(cls: Any) -> object:  # noqa: ANN401 - a pydantic model
    try:
        return cls.model_json_schema()
    except Exception:  # noqa: BLE001 - there are types that have none
        return cls.model_fields


def is_filled(cell: Any) -> bool:  # noqa: ANN401 - the type of cells is not public
    """Whether a cell of a closure has a value yet."""
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _has_docstring(code: CodeType) -> bool:
    if sys.version_info >= (3, 14):  # where the flag is new; before, it is the first constant
        return bool(code.co_flags & _HAS_DOCSTRING)
    return bool(code.co_consts) and isinstance(code.co_consts[0], str) and not code.co_name.startswith("<")


def _hints(cls: type[Any]) -> Mapping[str, object]:
    own = get_annotations(cls)
    try:
        resolved = get_type_hints(cls, include_extras=True)
    except Exception:  # noqa: BLE001 - names that are known to nobody: as they are written
        return own
    return {name: resolved.get(name) for name in own}


def _is_code(attribute: object) -> bool:
    return isinstance(attribute, FunctionType | staticmethod | classmethod | property)


def _is_generated(attribute: object) -> bool:
    code: CodeType | None = getattr(attribute, "__code__", None)
    return code is not None and code.co_name.startswith("__") and code.co_filename.startswith(_GENERATED)


def _given(value: object) -> object:
    """A default, or nothing where there is none."""
    missing = value is dataclasses.MISSING or value is msgspec.NODEFAULT
    return None if missing else ("default", value)
