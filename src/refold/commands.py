"""Commands as they are kept beside the events that they led to, and read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from refold.codec import Form, form_of
from refold.errors import UsageError, shortened
from refold.fold import Decider, Fold, parameter_classes
from refold.messages import spec_of

KEPT: Final = "$asked"
"""The key of the metadata under which a kept command stands as JSON; `$command` beside it is its wire name."""


def commands_of(subject: Fold[Any, Any]) -> Commands:
    """The commands of a fold that is to keep them.

    Raises:
        UsageError: it is no decider, or as `Commands`.
    """
    if not isinstance(subject, Decider):
        raise UsageError(
            f"fold {subject.category!r} has no commands to keep: what decides is a method (`do`), which has no wire name and no "
            "JSON. Bind a Decider, and hand its commands to `handle`."
        )
    return Commands(cast("Any", subject))


class Commands:
    """The commands of one decider, by the annotation of its `decide`.

    Raises:
        UsageError: the annotation does not name them, one has no wire name, or two share one.
    """

    def __init__(self, decider: Decider[Any, Any, Any]) -> None:
        self._category = decider.category
        self._forms: dict[type[Any], Form] = {cls: self._form(cls) for cls in self._classes(decider.decide)}
        self._by_name: Mapping[str, Form] = {form.spec.name: form for form in self._forms.values()}
        if not self._forms:
            raise self._unkept(f"the annotation of the first parameter of {decider.decide!r} names no class")
        if len(self._by_name) < len(self._forms):
            raise self._unkept(f"two of {', '.join(cls.__qualname__ for cls in self._forms)} share a wire name")

    def _classes(self, decide: Callable[..., object]) -> tuple[type[Any], ...]:
        try:
            return parameter_classes(decide, 0, "")
        except UsageError as error:
            raise self._unkept(f"{decide!r} has no annotation of its first parameter that names them") from error

    def _form(self, cls: type[Any]) -> Form:
        try:
            return form_of(cls, spec_of(cls, "command"))
        except UsageError as error:
            raise self._unkept(f"{error}".rstrip(".")) from error

    def _unkept(self, why: str) -> UsageError:
        return UsageError(
            f"the commands of {self._category!r} cannot be kept: {why}. The first parameter of `decide` must be annotated with "
            'classes, or their union, that are each marked with @command("...") under a name of its own.'
        )

    def kept(self, command: object) -> str:
        """A command as the text that is kept.

        Raises:
            UsageError: it is of no class that `decide` is annotated with.
            InvalidEvent: it would not read back equal.
        """
        form = self._forms.get(command.__class__)
        if form is None:
            raise UsageError(
                f"{shortened(command)} cannot be kept: `decide` of {self._category!r} is not annotated with its class, by "
                "which it would be read again."
            )
        return form.written(command).decode()

    def read(self, name: str, text: str) -> object:
        """The command that was kept.

        Raises:
            UsageError: no class has this name, or the text does not fit it.
        """
        form = self._by_name.get(name)
        if form is None:
            known = ", ".join(sorted(self._by_name))
            raise UsageError(f"no class is known for the command {name!r}; known are: {known}.")
        try:
            return form.decode(text.encode())
        except Exception as error:  # a user's validator may raise anything
            raise UsageError(f"the kept command {name!r} does not fit its class: {error}.") from error
