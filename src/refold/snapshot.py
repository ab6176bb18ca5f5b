"""Snapshots: when to take one, how many to keep, and how a state is written so that it can be trusted when it is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec

from refold.codec import Form, form_of
from refold.errors import UsageError, shortened
from refold.fold import Fold
from refold.messages import Spec
from refold.sameness import identical


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshots:
    """When a fold's states are saved, so that loads need not begin with the first event: whenever one of these holds.

    `every`: so many events came since the last one. `slower_than`: a load took longer. `when`: the state is so, as in
    `when=lambda order: order.closed`. Without any of them they are taken on demand alone. `version`: raise it when states change
    for a reason that stands in no code; those that were saved before are then passed over. `keep`: so many for each stream,
    spread over its history, so that the past is near one, too.

    Raises:
        UsageError: `every` or `keep` is below 1.
    """

    every: int | None = None
    slower_than: timedelta | None = None
    when: Callable[[Any], bool] | None = None
    version: int = 1
    keep: int = 10

    def __post_init__(self) -> None:
        if (self.every is not None and self.every < 1) or self.keep < 1:
            raise UsageError(f"{self!r}: every and keep are 1 or more.")

    def is_due(self, state: object, version: int, began: int, cost: int) -> bool:
        """Whether to save a state that stands at a version, folded from that of a snapshot, 0 if none, in so many µs."""
        if version <= began:
            return False
        if self.every is not None and version - began >= self.every:
            return True
        if self.slower_than is not None and cost > self.slower_than / timedelta(microseconds=1):
            return True
        return self.when is not None and self.when(state)

    def superfluous(self, versions: Sequence[int]) -> Sequence[int]:
        """Those of the versions, in their order, that are one too many; the newest stays, and the others stay spread."""
        left, dropped = list(versions), list[int]()
        while len(left) > self.keep:
            gaps = [after - before for before, after in zip([0, *left], left[1:], strict=False)]
            dropped.append(left.pop(gaps.index(min(gaps))))
        return dropped


class StateForm:
    """How the states of one fold are written and read.

    Raises:
        UsageError: JSON cannot carry them, by the annotation of what `evolve` returns.
    """

    def __init__(self, fold: Fold[Any, Any]) -> None:
        self.hint = state_hint(fold)
        options = get_args(self.hint) if get_origin(self.hint) in (Union, UnionType) else (self.hint,)
        self._is_choice = len(options) > 1
        self._name = f"{fold.category} state"
        self._forms: dict[str, Form] = {}
        for option in options:
            name = _class_name(option) if self._is_choice else ""
            if name in self._forms:
                raise UsageError(
                    f"states of fold {fold.category!r} are {self.hint!r}: two of these cannot be told apart."
                )
            self._forms[name] = form_of(option, Spec("state", self._name, 1, ()))

    def written(self, state: object) -> bytes:
        """The state as JSON.

        Raises:
            UsageError: it would not read back as the same value of the same classes.
        """
        name = type(state).__name__ if self._is_choice else ""
        try:
            data = self._forms[name].encode(state)
            written = msgspec.json.encode((name, msgspec.Raw(data))) if self._is_choice else data
            back = self.read(written)
        except Exception as error:  # whatever a user's class raises, it is not stored
            raise UsageError(f"the {self._name} {shortened(state)} cannot be saved: {error!r}.") from error
        if not identical(back, state):
            raise UsageError(
                f"the {self._name} would not read back the same: {shortened(state)} became {shortened(back)}. Annotate its "
                "fields, and what evolve returns, with what they hold."
            )
        return written

    def read(self, written: bytes) -> Any:  # noqa: ANN401 - of the fold's class
        """The state. Raises whatever it raises: then it is not used."""
        if not self._is_choice:
            return self._forms[""].decode(written)
        name, data = _CHOICE(written)
        return self._forms[name].decode(bytes(data))


_CHOICE: Final = msgspec.json.Decoder(tuple[str, msgspec.Raw]).decode


def state_hint(fold: Fold[Any, Any]) -> Any:  # noqa: ANN401 - an annotation
    """What a fold's states are: what `evolve` is annotated to return, or else the class of the first one."""
    try:
        hint = get_type_hints(fold.evolve).get("return")
    except Exception:  # noqa: BLE001 - names that are known to nobody, or no function at all
        hint = None
    hint = getattr(hint, "__value__", hint)
    is_known = isinstance(hint, type) or get_origin(hint) is not None
    return hint if is_known and hint is not type(None) else type(fold.initial())


def _class_name(option: Any) -> str:  # noqa: ANN401 - an annotation
    return str((get_origin(option) or option).__name__)
