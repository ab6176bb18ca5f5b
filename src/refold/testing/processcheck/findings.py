"""Findings: what is wrong with a process, each with the shortest run that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from refold.errors import shortened
from refold.external import Call
from refold.fold import Send
from refold.process import After, At, Cancel, Effect, Fail, Finish
from refold.testing.processcheck.exploring import Explored, Step, Taken, taken
from refold.testing.processcheck.instance import Instance, message
from refold.testing.processcheck.watching import Caught

Kind: TypeAlias = Literal[
    "raises",
    "impure",
    "no effect",
    "after the end",
    "never ends",
    "no way out",
    "dead end",
    "double send",
    "timer left set",
    "never comes back",
    "unhandled",
    "never sent",
]
"""What a finding is about."""

_WHATS: Final = {"event": "event", "timeout": "timeout", "refusal": "event of .otherwise(...)"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong: of what kind, about what, what it is, and the run that shows it."""

    kind: Kind
    about: str
    what: str
    run: tuple[Taken, ...] = ()


def troubles(found: Explored) -> Iterator[Finding]:
    """What raises, is not pure, or is no effect."""
    for instance, step in found.every_step():
        if step.reaction.trouble is not None:
            kind, what = step.reaction.trouble
            yield Finding(kind, step.input.cls.__qualname__, f"{what}.", _run(found, instance, step))


# The end ----------------------------------------------------------------------


def after_the_end(found: Explored) -> Iterator[Finding]:
    """What is yielded behind the end, and what can come back only after it."""
    for instance, step in found.every_step():
        if step.reaction.ends:
            for kind, effect, what in _in_vain(step.reaction.effects):
                yield Finding(kind, _name(effect), what, _run(found, instance, step))


def _in_vain(effects: tuple[Effect, ...]) -> Iterator[tuple[Kind, Effect, str]]:
    end = next(place for place, effect in enumerate(effects) if isinstance(effect, Finish | Fail))
    for place, effect in enumerate(effects):
        if place > end:
            yield (
                "after the end",
                effect,
                f"react yields {told(effect)} after {told(effects[end])}: the end comes last.",
            )
        elif isinstance(effect, After | At) and not _is_cancelled(effect, effects[place:]):
            yield "never comes back", effect, f"{told(effect)} is set by what ends the process: it never comes back."
        elif isinstance(effect, Send | Call) and effect.fallback is not None:
            what = f"{told(effect)}, by what ends the process: if it is refused, that never comes back."
            yield "never comes back", effect, what


def _is_cancelled(timer: After | At, later: Iterable[Effect]) -> bool:
    return any(isinstance(effect, Cancel) and effect.timeout is timer.timeout.__class__ for effect in later)


def no_way_out(found: Explored, depth: int) -> Iterator[Finding]:
    """Instances that run, and cannot come to an end any more."""
    ends = [one for one in found.far if one.has_ended]
    if not ends:
        yield Finding(
            "never ends", "", f"no run of up to {depth} inputs comes to an end; by design? Then say ends=False."
        )
        return
    back = _backward(found)
    can_end, can_go_on = _distances(ends, back), _distances(found.open(), back)
    longest = min(found.far[one] for one in ends)
    for instance, (before, _) in found.came.items():
        if instance in can_end or (before.has_begun and before not in can_end):
            continue
        looked = can_go_on.get(instance)
        if looked is None or looked > longest:
            yield _trapped(found, instance, looked)


def _backward(found: Explored) -> dict[Instance, list[Instance]]:
    back: dict[Instance, list[Instance]] = {}
    for instance, step in found.every_step():
        if not step.reaction.trouble:
            back.setdefault(step.to, []).append(instance)
    return back


def _distances(goals: Iterable[Instance], back: dict[Instance, list[Instance]]) -> dict[Instance, int]:
    """How many inputs it takes at least to one of the goals, for all from which one can be reached."""
    layer = list(goals)
    found = dict.fromkeys(layer, 0)
    for instance in layer:  # which grows
        for before in back.get(instance, ()):
            if before not in found:
                found[before] = found[instance] + 1
                layer.append(before)
    return found


def _trapped(found: Explored, instance: Instance, looked: int | None) -> Finding:
    run = found.run(instance)
    last = run[-1].event.__class__.__qualname__
    is_still = all(step.to == instance and not step.reaction.effects for step in found.steps[instance])
    if is_still and not instance.timers and not instance.refusals:
        return Finding(
            "dead end",
            last,
            "nothing is pending any more, nothing that may come changes anything, and it has not ended.",
            run,
        )
    ever = (
        "whatever comes"
        if looked is None
        else f"in any of the next {looked} inputs (give a greater depth to look further)"
    )
    return Finding("no way out", last, f"it can come to no end, {ever}.", run)


# Twice, and left --------------------------------------------------------------


def caught_doing(caught: Caught) -> Finding:
    """A double send or a timer left set, as it is told."""
    watch, cause = caught.watch, caught.watch.cause
    about = f"{message(caught.asked).__class__.__qualname__} upon {watch.by.cls.__qualname__}"
    if watch.kind == "left":
        what = (
            f"{watch.by.event!r} is still set at the end, although {cause.cls.__qualname__} was acted upon: had it come just "
            f"before the end, it would have led to {told(caught.asked)}. Cancel it."
        )
        return Finding("timer left set", about, what, caught.run)
    why = {
        "repeat": f"{cause.cls.__qualname__} comes twice",
        "race": f"{watch.by.cls.__qualname__} was set before, and comes nevertheless",
        "late": "an event and a timeout come at the same time",
    }
    return Finding("double send", about, f"{told(caught.asked)} twice: {why[watch.kind]}.", caught.run)


# Nothing comes of it ----------------------------------------------------------


def unhandled(found: Explored, classes: Iterable[type[Any]]) -> Iterator[Finding]:
    """Classes of the annotation that never come or never matter, and what comes back without being in it."""
    annotated = dict.fromkeys(classes)
    delivered: dict[type[Any], tuple[Instance, Step]] = {}
    matters = set[type[Any]]()
    for instance, step in found.every_step():
        delivered.setdefault(step.input.cls, (instance, step))
        if step.reaction.trouble or step.reaction.effects or step.reaction.state != instance.state:
            matters.add(step.input.cls)
    for cls in dict.fromkeys((*annotated, *delivered)):
        name = cls.__qualname__
        if cls not in delivered:
            yield Finding("unhandled", name, f"no {name} ever comes: react is annotated with it for nothing.")
        elif cls not in annotated:
            what = f"{name} comes back to the process, but react is not annotated with it: it cannot be read."
            yield Finding("unhandled", name, what, _run(found, *delivered[cls]))
        elif cls not in matters:
            how = _WHATS[delivered[cls][1].input.how]
            what = f"the {how} {name} leads to nothing and changes nothing, in whatever state it comes."
            yield Finding("unhandled", name, what, _run(found, *delivered[cls]))


def never_sent(found: Explored, must_send: Iterable[type[Any]]) -> Iterator[Finding]:
    """Commands that should be sent in some run, and are in none."""
    asked = found.asked()
    for cls in must_send:
        if cls not in asked:
            yield Finding(
                "never sent", cls.__qualname__, f"no run sends {cls.__qualname__}, which it must (must_send)."
            )


# In words ---------------------------------------------------------------------


def told(effect: Effect) -> str:  # noqa: PLR0911 - one case an effect
    """An effect, as one would write it."""
    match effect:
        case Send(category, id, command, fallback):
            return f"send {shortened(command, 200)} to {category}-{id}" + _otherwise(fallback)
        case Call(name, request, fallback):
            return f"call {name} with {shortened(request, 200)}" + _otherwise(fallback)
        case After(delay, timeout):
            return f"after({delay}, {timeout!r})"
        case At(moment, timeout):
            return f"at({moment}, {timeout!r})"
        case Cancel(cls):
            return f"cancel({cls.__qualname__})"
        case Finish():
            return "finish()"
        case Fail(reason):
            return f"fail({reason!r})"


def _otherwise(fallback: object | None) -> str:
    return "" if fallback is None else f", otherwise {fallback!r}"


def _name(effect: Effect) -> str:
    match effect:
        case Send() | Call():
            return message(effect).__class__.__qualname__
        case After() | At():
            return effect.timeout.__class__.__qualname__
        case _:
            return effect.__class__.__qualname__


def _run(found: Explored, instance: Instance, step: Step) -> tuple[Taken, ...]:
    return (*found.run(instance), taken(step))


def lines(finding: Finding) -> Iterator[str]:
    """A finding as it is shown."""
    yield f"{finding.kind}: {finding.what}"
    for number, one in enumerate(finding.run, 1):
        how = {"event": "", "repeat": " again", "timeout": " (timeout)", "refusal": " (refused)"}[one.how]
        upon: Callable[[Effect], str] = told
        yield f"     {number}. {shortened(one.event, 200)}{how} -> {', '.join(map(upon, one.effects)) or 'nothing'}"
