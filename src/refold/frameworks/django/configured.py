"""What the settings say: `REFOLD = {...}`."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from django.conf import settings  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]
from msgspec import Struct, ValidationError, convert

from refold.errors import UsageError


class Configured(Struct, frozen=True, forbid_unknown_fields=True, rename="upper"):
    """`STORE`: its URL. `APP`: `module:name` of the `App`. `MODELS`: in which of `DATABASES` read models live, if in one.

    `REFUSALS`: the classes of what deciders raise, as `module:name`; they are answered with 422.
    """

    store: str
    app: str | None = None
    models: str | None = None
    refusals: tuple[str, ...] = ()


def configured() -> Configured:
    """The settings, checked.

    Raises:
        UsageError: there are none, or one of them is not known, or cannot be.
    """
    given: object = getattr(cast("object", settings), "REFOLD", None)
    if given is None:
        raise UsageError('the settings name no store: write REFOLD = {"STORE": "sqlite:///shop.db"}.')
    try:
        return convert(given, Configured)
    except ValidationError as error:
        raise UsageError(f"REFOLD in the settings cannot be used: {error}.") from error


def refusals() -> tuple[type[Exception], ...]:
    """What deciders raise, and is answered as a refusal.

    Raises:
        UsageError: there is no such class.
    """
    return tuple(map(_class, configured().refusals))


def _class(name: str) -> type[Exception]:
    module, _, attribute = name.partition(":")
    try:
        found: object = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"REFUSALS in the settings: {name!r} is not there. Write module:name.") from error
    if not (isinstance(found, type) and issubclass(found, Exception)):
        raise UsageError(f"REFUSALS in the settings: {name!r} is no class of exceptions.")
    return found
