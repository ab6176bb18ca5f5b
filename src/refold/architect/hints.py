"""Hints: what an annotation promises."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What is looked at here are annotations of any kind.

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence, MutableSet, Sequence
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from refold.architect.values import Some, Value, as_some, collection, of_class


def of_hint(hint: Any, *, given: bool = False) -> Value:  # noqa: ANN401 - whatever an annotation is
    """What an annotation promises."""
    found = _classes(hint)
    return None if found is None else Some(of_class(*found).parts, given, _can_change(hint), _held(hint, given=given))


def classes_of_test(tested: object) -> tuple[type[Any], ...] | None:
    """The classes that `isinstance` is given: one, a union, or a tuple of such; None if it is anything else."""
    aliased = getattr(tested, "__value__", None) if type(tested).__name__ == "TypeAliasType" else None
    if aliased is not None:
        return classes_of_test(aliased)
    if isinstance(tested, type):
        return (tested,)
    several = tested if isinstance(tested, tuple) else get_args(tested) if _is_union(tested) else None
    found = [classes_of_test(each) for each in several] if several is not None else [None]
    return None if None in found else tuple(cls for each in found for cls in each or ())


def _is_union(hint: object) -> bool:
    return get_origin(hint) in (Union, UnionType)


def _held(hint: Any, *, given: bool) -> Value:  # noqa: ANN401 - as above
    """What a collection that is promised holds, a mapping under its keys; None if none is."""
    aliased = getattr(hint, "__value__", None)
    if aliased is not None:
        return _held(aliased, given=given)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _held(args[0], given=given)
    if _is_union(hint):
        return _any([_held(each, given=given) for each in args if each is not type(None)])
    if not (isinstance(origin, type) and issubclass(origin, Iterable) and args):
        return None
    if issubclass(origin, Mapping):
        return of_hint(args[1], given=given) if args[1:] else None
    held = args if origin is tuple else args[:1]
    return _any([of_hint(each, given=given) for each in held if each is not Ellipsis])


def _any(values: Sequence[Value]) -> Value:
    some = as_some(collection(values))
    return None if some is None else some.of


def _can_change(hint: Any) -> bool:  # noqa: ANN401 - as above
    aliased = getattr(hint, "__value__", None)
    if aliased is not None:
        return _can_change(aliased)
    origin = get_origin(hint) or hint
    if _is_union(hint):
        return any(map(_can_change, get_args(hint)))
    if origin is Annotated:
        return _can_change(get_args(hint)[0])
    return isinstance(origin, type) and issubclass(origin, MutableSequence | MutableMapping | MutableSet)


def _classes(hint: Any) -> Sequence[type[Any]] | None:  # noqa: ANN401, PLR0911 - a table of hints
    aliased = getattr(hint, "__value__", None)
    if aliased is not None:
        return _classes(aliased)
    if isinstance(hint, TypeVar) or hint is Any or hint is object:
        return None
    if hint is None or hint is type(None):
        return ()
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _all(args)
    if origin is Annotated:
        return _classes(args[0])
    if origin is None:
        return (hint,) if isinstance(hint, type) else None
    if isinstance(origin, type) and issubclass(origin, Iterable) and not issubclass(origin, Mapping) and args:
        return _all([arg for arg in args[: None if origin is tuple else 1] if arg is not Ellipsis])
    return (origin,) if isinstance(origin, type) else None


def _all(hints: Iterable[Any]) -> Sequence[type[Any]] | None:
    found = [_classes(hint) for hint in hints]
    if any(each is None for each in found):
        return None
    return [cls for each in found for cls in each or ()]
