"""An application against its lock: what drifted, and which stored events would no longer be read as they were meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from refold.chains import Key
from refold.errors import UpcasterError
from refold.schema.lock import Lock, Shape, named, of_name
from refold.schema.present import Present
from refold.schema.subjects import WAYS_OUT as WAYS_TO_FORGET
from refold.schema.subjects import out_of_reach
from refold.schema.tagging import WAYS_OUT, not_found
from refold.schema.trying import tried
from refold.schema.verdicts import FieldChange, Verdict, changes


class Finding(Struct, frozen=True):
    """Something that changed. `rule` is that of the review; `what` happened to a `field` of it; `do` says the ways out.

    With the verdict ok it is a note: nothing has to be done before the next lock is written.
    """

    verdict: Verdict
    event: str
    field: str
    what: str
    do: str = ""
    rule: str = ""


class Report(Struct, frozen=True):
    """What came of a check. Only `findings` have to be dealt with."""

    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]


def check(lock: Lock, now: Present) -> Report:
    """What changed between a lock and the application: every locked version must still be read, as what it was."""
    found = tuple(dict.fromkeys(_all(lock, now)))
    return Report(
        tuple(each for each in found if each.verdict is not Verdict.OK),
        tuple(each for each in found if each.verdict is Verdict.OK),
    )


def bridged(lock: Lock, now: Present) -> tuple[Finding, ...]:
    """What changed between the newest locked version of each type and a later one of its class, field by field."""
    return tuple(
        _note(f"{named(type, newest)} -> {current}", change.what, change.field)
        for type, current in sorted(now.versions.items())
        for newest in [max(lock.events.get(type, {}), default=current)]
        if newest < current and now.missing((type, newest)) is None
        for change in changes(lock.events[type][newest].schema, now.lock.events[type][current].schema)
    )


def _all(lock: Lock, now: Present) -> Iterator[Finding]:
    found = [each for type, versions in sorted(lock.events.items()) for each in _of_type(type, versions, now)]
    yield from found
    yield from _tags(lock, now)
    told = {of_name(each.event)[0] for each in found if each.rule == "ES012"}
    for error in (*([now.contradiction] if now.contradiction else []), *now.gaps):
        if error.type not in told:
            yield _wrong(error)
    for type, version in sorted(now.versions.items()):
        yield from _tombstone(lock, type, version)
        if version not in lock.events.get(type, {}):
            yield _note(named(type, version), "not locked yet")
    yield from _upcasters(lock, now)
    yield from _commands(lock.commands, now.lock.commands)
    for category, found_state in now.lock.states.items():
        if lock.states.get(category, found_state) != found_state:
            yield _note(category, "the state has another shape: its snapshots are made anew")


def _wrong(error: UpcasterError) -> Finding:
    what, _, do = str(error).rstrip(".").rpartition(": ")
    event = error.type if error.version is None else named(error.type, error.version)
    return Finding(Verdict.BREAKS, event, "(upcaster)", what, do.capitalize(), "ES012")


def _note(event: str, what: str, field: str = "") -> Finding:
    return Finding(Verdict.OK, event, field, what)


# Events -----------------------------------------------------------------------


def _of_type(type: str, versions: Mapping[int, Shape], now: Present) -> Iterator[Finding]:
    current = now.versions.get(type)
    for version, shape in sorted(versions.items()):
        if current == version:
            yield from _same_version(type, version, shape, now)
        elif current is not None and version > current:
            yield _lowered(type, version, current)
        elif now.contradiction is None:
            yield from _older(type, version, shape, now)
    older = [version for version in versions if current is not None and version < current]
    if current is not None and current not in versions and older:
        yield from _for_others(type, max(older), versions[max(older)], now.lock.events[type][current])


def _same_version(type: str, version: int, was: Shape, now: Present) -> Iterator[Finding]:
    shape = now.lock.events[type][version]
    do = (
        f"Give {type} version={version + 1} and write an upcaster from {version}, or undo the change; "
        f"if no store holds any: schema lock --accept {named(type, version)}"
    )
    for change in changes(was.schema, shape.schema, public=was.public):
        yield _judged(named(type, version), change, do)
    if was.tags != shape.tags:
        what = "the tags are derived otherwise: what is stored keeps its own, upcasters change none"
        ways_out = f"{WAYS_OUT}. Then, or if no store holds any: schema lock --accept {named(type, version)}"
        yield Finding(Verdict.BREAKS, named(type, version), "(tags)", what, ways_out, "ES010")
    if passed_by := out_of_reach(was, now, type):
        ways_out = f"{WAYS_TO_FORGET}. Then, or if no store holds any: schema lock --accept {named(type, version)}"
        yield Finding(Verdict.BREAKS, named(type, version), "(subject)", passed_by, ways_out, "ES010")
    if was.public and not shape.public:
        what = "no longer public: others may read it"
        yield Finding(Verdict.BREAKS, named(type, version), "(public)", what, "Keep public=True. " + do, "ES011")


def _judged(event: str, change: FieldChange, do: str) -> Finding:
    match change.verdict:
        case Verdict.OK:
            return _note(event, change.what, change.field)
        case Verdict.NEEDS_UPCASTER:
            return Finding(change.verdict, event, change.field, change.what, do, "ES010")
        case Verdict.BREAKS:
            other = "Give the new shape a name of its own, and write both for a while"
            return Finding(change.verdict, event, change.field, change.what, f"{other}. {do}", "ES011")


def _lowered(type: str, version: int, current: int) -> Finding:
    do = (
        f"Give the class a version above {version}, and upcasters to it; if no store holds any: "
        f"schema lock --accept {named(type, current)}"
    )
    what = f"the version was lowered to {current}: what is stored as {version} cannot be read"
    return Finding(Verdict.BREAKS, named(type, version), "(version)", what, do, "ES011")


def _older(type: str, version: int, shape: Shape, now: Present) -> Iterator[Finding]:
    missing = now.missing((type, version))
    if missing is not None:
        yield _unreadable(type, version, missing, now)
        return
    for trouble in tried(now, (type, version), shape.schema):
        do = "Mend the upcaster, or give it the data that it needs" if trouble.is_certain else ""
        verdict = Verdict.NEEDS_UPCASTER if trouble.is_certain else Verdict.OK
        yield Finding(verdict, named(type, version), "", trouble.what, do, "ES011" if do else "")


def _unreadable(type: str, version: int, at: Key, now: Present) -> Finding:
    stored, what = named(type, version), f"no upcaster leads on from {named(*at)}"
    retire = f"if no store holds any: schema lock --retire {stored}"
    if type in now.versions:
        do = f"Write an upcaster for {named(*at)}; {retire}"
        return Finding(Verdict.NEEDS_UPCASTER, stored, "(version)", what, do, "ES012")
    do = f"Bring the class back, or lead the type to another with move(...) or upcast(..., into=...); {retire}"
    return Finding(Verdict.BREAKS, stored, "(class)", f"there is no class for it, and {what}", do, "ES011")


def _for_others(type: str, version: int, was: Shape, shape: Shape) -> Iterator[Finding]:
    """A public event of a new version, for those who know the one before it."""
    if not was.public:
        return
    for change in changes(was.schema, shape.schema, public=True):
        if change.verdict is Verdict.BREAKS:
            yield _judged(named(type, version), change, "Or undo the change")


def _tags(lock: Lock, now: Present) -> Iterator[Finding]:
    """Of what is read as a version that is not locked yet; once it is, that was seen."""
    for type, versions in sorted(lock.events.items()):
        stored = (type, max(versions))
        for end, version in sorted(now.chains.way(stored).ends()):
            if version == now.versions.get(end) and version not in lock.events.get(end, {}):
                yield from _passed_by(stored, versions[max(versions)], now, (end, version))


def _passed_by(stored: Key, was: Shape, now: Present, read_as: Key) -> Iterator[Finding]:
    asked = (("(tags)", not_found, WAYS_OUT), ("(subject)", out_of_reach, WAYS_TO_FORGET))
    for field, ask, ways_out in asked:
        if what := ask(was, now, read_as[0]):
            what, do = f"read as {named(*read_as)}: {what}", f"{ways_out}. Then: schema lock --accept {named(*read_as)}"
            yield Finding(Verdict.BREAKS, named(*stored), field, what, do, "ES011")


def _tombstone(lock: Lock, type: str, version: int) -> Iterator[Finding]:
    buried = lock.tombstones.get(type, {})
    if version in buried or (buried and type not in lock.events):
        do = f"Choose a name that was never used; if no store holds any: schema lock --accept {named(type, version)}"
        what = f"the name was used before, and retired with version {', '.join(map(str, sorted(buried)))}"
        yield Finding(Verdict.BREAKS, named(type, version), "(name)", what, do, "ES013")


# What is not an event ---------------------------------------------------------


def _upcasters(lock: Lock, now: Present) -> Iterator[Finding]:
    for place, was in sorted(lock.upcasters.items()):
        found = now.lock.upcasters.get(place)
        if found is not None and found != was:
            do = (
                "Undo the change, and correct the outcome in a new version with an upcaster of its own; "
                f"if read models and snapshots are built anew: schema lock --accept {place}"
            )
            what = "it was changed after it was locked: history reads otherwise than it did"
            yield Finding(Verdict.BREAKS, place, "(upcaster)", what, do, "ES012")
    for place in sorted(now.lock.upcasters.keys() - lock.upcasters.keys()):
        yield _note(place, "an upcaster that is not locked yet", "(upcaster)")


def _commands(was: Mapping[str, Shape], now: Mapping[str, Shape]) -> Iterator[Finding]:
    """Notes: a command waits in a timer for a while, and has no versions."""
    for name in sorted(was.keys() | now.keys()):
        if name not in was:
            yield _note(name, "a command that is not locked yet")
        elif name not in now:
            yield _note(name, "a command that is gone: none that waits can be carried out")
        else:
            yield from _changed_command(name, changes(was[name].schema, now[name].schema))


def _changed_command(name: str, found: Iterable[FieldChange]) -> Iterator[Finding]:
    for change in found:
        waits = "" if change.verdict is Verdict.OK else ": one that waits cannot be carried out, or does something else"
        yield _note(name, change.what + waits, change.field)
