"""Subjects across versions: what is stored stays about whom it was written, whatever upcasters read it as."""

from __future__ import annotations

from typing import Final

from refold.messages import spec_of
from refold.schema.lock import Shape
from refold.schema.present import Present
from refold.schema.tagging import names_given

WAYS_OUT: Final = (
    "Let subject= be a function that gives the name that it had; what was written in the clear stays so, unless it is "
    "appended anew to another store"
)


def out_of_reach(was: Shape, now: Present, type: str) -> str | None:
    """How forgetting somebody, named as the class that reads them says, passes by events of an old shape; None if not."""
    shape = now.lock.events[type][now.versions[type]]
    if shape.subject in {None, was.subject}:
        return None
    if was.subject is None:
        return "what is stored was written about nobody, and sealed by no key: to forget somebody does not reach it"
    new = _names(now, type, shape)
    if new is None or ":" in was.subject:
        return "the subject is derived by another function: what is stored stays sealed by the key of whom it was about"
    if new <= {was.subject}:
        return None
    return (
        f"what is stored stays sealed by the key of its {was.subject}:..., upcasters change none: to forget a "
        f"{' or '.join(f'{name}:...' for name in sorted(new))} does not reach it"
    )


def _names(now: Present, type: str, shape: Shape) -> frozenset[str] | None:
    subject = spec_of(now.events[type]).subject
    if not callable(subject):
        return frozenset([str(subject)])
    return names_given(now, type, shape, lambda message: [subject(message)])
