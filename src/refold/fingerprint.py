"""Fingerprint: a short text that is another one as soon as a fold might make another state of the same events."""

from __future__ import annotations

import dataclasses
import dis
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from functools import cached_property, partial, singledispatchmethod
from inspect import get_annotations
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType, UnionType
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

from refold.chains import Chains, Key, Way
from refold.fold import Fold
from refold.messages import RawEvent, spec_of

_FORMAT: Final = 1
"""Raised when Refold itself makes, writes or reads states otherwise than before."""

_PLAIN: Final = (
    type(None), bool, int, float, complex, str, bytes, Decimal, datetime, date, time, timedelta, tzinfo, UUID, range,
    type(Ellipsis), type(NotImplemented),
)  # fmt: skip
_GENERATED: Final = ("<string>", "<attrs generated")
"""Where the methods stand that a decorator writes: they follow from the fields."""
_HAS_DOCSTRING: Final = 0x4000000


def fingerprint(fold: Fold[Any, Any], state: object, version: int, ways: Mapping[Key, Way] | None = None) -> str:
    """32 hexadecimal digits for a fold, and the annotation of its `state`.

    In it: the compiled code of `initial` and `evolve`, of the functions and classes that they name, and so on; the constants
    and defaults that these read; the fields of the classes of state and events, the events' names and versions, and the
    upcasters on the `ways` to them, by default those of the classes themselves. Not in it: names of modules, docstrings, lines,
    annotations of functions. Code of the standard library and of other installed packages is told by its name and its
    package's `__version__`. `version` is for what no program can see.
    """
    from hashlib import blake2b  # noqa: PLC0415 - OpenSSL is loaded when it is needed

    described = _Describing(set(_owners(fold.evolve, fold.initial, *fold.event_types)))
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


def _owners(*parts: object) -> Iterator[str]:
    """The packages of the application, by what of it is known: these may well be installed, too."""
    yield "__main__"
    for part in parts:
        module = getattr(part, "__module__", None) or ""
        if _top(module) not in sys.stdlib_module_names:
            yield module if _top(module) == "refold" else _top(module)


def _top(module: str | None) -> str:
    return (module or "").partition(".")[0]


class _Describing:
    """Values as texts that are the same in each process; functions and classes are told once, and then by their number."""

    def __init__(self, own: set[str]) -> None:
        self._own = own
        self.definitions: list[str] = []
        self._numbers: dict[int, int] = {}
        self._held: list[object] = []  # so that no number of an object is given out twice

    def of(self, value: object) -> str:  # noqa: C901, PLR0911, PLR0912 - a table, one case a kind
        match value:
            case Enum():
                return f"{self.of(type(value))}.{value.name}"
            case _ if isinstance(value, _PLAIN):
                return f"{type(value).__name__} {value!r}"
            case tuple() | list():
                kind = "list" if isinstance(value, list) else "tuple"
                return f"{kind}({', '.join(map(self.of, cast('Sequence[object]', value)))})"
            case set() | frozenset():  # in no order that lasts from one process to the next
                return f"set({', '.join(sorted(map(self.of, cast('frozenset[object]', value))))})"
            case Mapping():
                pairs = cast("Mapping[object, object]", value).items()
                return f"map({', '.join(f'{self.of(key)}: {self.of(item)}' for key, item in pairs)})"
            case MethodType():
                return f"bound({self.of(value.__func__)}, {self.of(value.__self__)})"
            case staticmethod() | classmethod():
                kind = "static" if isinstance(value, staticmethod) else "class"
                return f"{kind}({self.of(cast('Any', value).__func__)})"
            case property():
                return f"property({self.of(value.fget)})"
            case cached_property():
                return f"property({self.of(cast('Any', value).func)})"
            case singledispatchmethod():
                return f"method({self.of(cast('Any', value).dispatcher)})"
            case FunctionType() if hasattr(value, "dispatch") and hasattr(value, "registry"):
                return (
                    f"by class({self.of(dict(cast('Any', value).registry))})"  # and not what it was called with so far
                )
            case partial():
                part = cast("partial[object]", value)
                return f"partial({self.of(part.func)}, {self.of(part.args)}, {self.of(part.keywords)})"
            case ModuleType():
                return f"module {value.__name__ if self._is_foreign(value.__name__) else ''}"
            case TypeVar():
                return f"variable {value.__name__}"
            case _ if get_origin(value) is not None:
                return self._of_generic(value)
            case type() | FunctionType():
                return self._of_definition(value)
            case BuiltinFunctionType():
                return f"built-in {value.__module__}.{value.__qualname__}"
            case _:
                return self._of_instance(value)

    def _of_generic(self, hint: object) -> str:
        origin = get_origin(hint)
        name = "union" if origin in (Union, UnionType) else self.of(origin)
        return f"{name}[{', '.join(map(self.of, get_args(hint)))}]"

    def _of_instance(self, value: object) -> str:
        """Data by their fields; of anything else no more than its class, since nothing about it need last."""
        aliased = getattr(value, "__value__", None) or getattr(value, "__supertype__", None)
        if aliased is not None:
            return self.of(aliased)
        if callable(inner := getattr(value, "__wrapped__", None)):
            return f"around({self.of(inner)})"
        if dataclasses.is_dataclass(value) or isinstance(value, msgspec.Struct):
            names = (
                value.__struct_fields__
                if isinstance(value, msgspec.Struct)
                else (f.name for f in dataclasses.fields(value))
            )
            values = ", ".join(f"{name}={self.of(getattr(value, name, None))}" for name in names)
            return f"{self.of(type(value))}({values})"
        if isinstance(value, msgspec.Meta) or type(value).__module__ == "typing":
            return repr(value)
        return f"some {self.of(type(value))}"

    # Functions and classes ------------------------------------------------------

    def _of_definition(self, value: type[Any] | FunctionType) -> str:
        if self._is_foreign(value.__module__):
            release = getattr(sys.modules.get(_top(value.__module__)), "__version__", "")
            return f"{value.__module__}.{value.__qualname__}{f' {release}' if isinstance(release, str) else ''}"
        if id(value) not in self._numbers:
            self._held.append(value)
            self._numbers[id(value)] = number = len(self._numbers)
            self.definitions.append("")
            parts = self._of_class(value) if isinstance(value, type) else self._of_function(value)
            self.definitions[number] = f"{value.__qualname__}: {'; '.join(parts)}"
        return f"#{self._numbers[id(value)]}"

    def _is_foreign(self, module: str | None) -> bool:
        top = _top(module)
        if top in self._own or module in self._own:
            return False
        place = getattr(sys.modules.get(module or ""), "__file__", None) or ""
        return (
            top in sys.stdlib_module_names or top in {"refold", "msgspec", ""}
            or "site-packages" in place or "dist-packages" in place
        )  # fmt: skip

    def _of_function(self, function: FunctionType) -> Iterator[str]:
        cells = [cell for cell in function.__closure__ or () if is_filled(cell)]
        yield self.of((function.__defaults__, function.__kwdefaults__, [cell.cell_contents for cell in cells]))
        yield from self._of_code(function.__code__, function.__globals__)

    def _of_code(self, code: CodeType, names: Mapping[str, object]) -> Iterator[str]:
        consts = code.co_consts[1:] if _has_docstring(code) else code.co_consts
        yield repr((code.co_code, code.co_exceptiontable, code.co_flags & ~_HAS_DOCSTRING, code.co_argcount))
        yield repr(
            (code.co_posonlyargcount, code.co_kwonlyargcount, code.co_names, code.co_varnames[: code.co_argcount])
        )
        for const in consts:
            if isinstance(const, CodeType):
                yield from self._of_code(const, names)
            else:
                yield self.of(const)
        for name in sorted(
            {each.argval for each in dis.get_instructions(code) if each.opname in {"LOAD_GLOBAL", "LOAD_NAME"}}
        ):
            if name in names and name != "__name__":  # the body of each class reads that
                yield f"{name} = {self.of(names[name])}"
                yield from self._of_module_parts(names[name], code.co_names)

    def _of_module_parts(self, module: object, used: Sequence[str]) -> Iterator[str]:
        if isinstance(module, ModuleType) and not self._is_foreign(module.__name__):
            yield from (f".{name} = {self.of(vars(module)[name])}" for name in used if name in vars(module))

    def _of_class(self, cls: type[Any]) -> Iterator[str]:
        yield self.of(cls.__bases__)
        yield self.of(_hints(cls))
        yield from self._of_fields(cls)
        for name, attribute in vars(cls).items():
            if not (name.startswith("__") and not _is_code(attribute)) and not _is_generated(attribute):
                yield f"{name} = {self.of(attribute)}"

    def _of_fields(self, cls: type[Any]) -> Iterator[str]:
        if issubclass(cls, Enum):
            yield self.of([(member.name, member.value) for member in cls])
        elif issubclass(cls, msgspec.Struct):
            for field in msgspec.structs.fields(cls):
                yield self.of((field.name, field.encode_name, _given(field.default), _given(field.default_factory)))
        elif dataclasses.is_dataclass(cls):
            for each in dataclasses.fields(cls):
                yield self.of((each.name, each.init, each.kw_only, _given(each.default), _given(each.default_factory)))
        elif attributes := getattr(cls, "__attrs_attrs__", ()):
            for each in attributes:
                yield self.of((each.name, each.default, each.converter, each.validator))
        elif callable(schema := getattr(cls, "model_json_schema", None)):
            yield self.of(schema())


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
