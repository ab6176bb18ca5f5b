"""What an audit finds: of each position, what the store, the dead letters and the bits of the read model say together."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from refold.flows.projections.applied import Digest, places
from refold.messages import Position


class Audit(Struct, frozen=True):
    """What an audit found among the positions above `after`, up to `until`.

    `events`: those that have a handler and should have been taken in; `parked` and `skipped` ones of them are dead letters,
    and `missing` neither applied nor known as such. `doubled` were applied more than once. `unexpected` were applied, though
    they have no handler, are dead letters, or are not in the store. `repaired`: those of the missing that were delivered.
    """

    projection: str
    after: Position
    until: Position
    events: int = 0
    parked: int = 0
    skipped: int = 0
    missing: tuple[Position, ...] = ()
    doubled: tuple[Position, ...] = ()
    unexpected: tuple[Position, ...] = ()
    repaired: tuple[Position, ...] = ()

    @property
    def applied(self) -> int:
        """How many events had been taken in before anything was repaired."""
        return self.events - self.parked - self.skipped - len(self.missing)

    @property
    def is_sound(self) -> bool:
        """Whether each event counts exactly once now, or is a dead letter."""
        return not (set(self.missing) - set(self.repaired) or self.doubled or self.unexpected)

    def __str__(self) -> str:
        found = [f"projection {self.projection!r}, positions {self.after + 1} to {self.until}: {self.events:,} events"]
        for what, positions in (
            ("missing", self.missing),
            ("of them repaired", self.repaired),
            ("doubled", self.doubled),
            ("unexpected", self.unexpected),
        ):
            found += [f"{len(positions):,} {what} ({_listed(positions)})"] if positions else []
        found += [f"{self.parked:,} parked"] if self.parked else []
        found += [f"{self.skipped:,} skipped"] if self.skipped else []
        found += ["each counts once"] if self.is_sound and not self.missing else []
        text = ", ".join(found) + "."
        if self.after:
            text += (
                f" Positions up to {self.after} were applied before there was a digest of them, and are not audited."
            )
        if self.doubled or self.unexpected:
            text += (
                " What counted too often cannot be taken back: build the read model anew, store.model(...).rebuild()."
            )
        elif not self.is_sound:
            text += " Deliver what is missing with audit(repair=True), or build the read model anew."
        return text


def _listed(positions: Sequence[int]) -> str:
    return ", ".join(map(str, positions[:5])) + (", ..." if positions[5:] else "")


def both(audit: Audit, block: Audit) -> Audit:
    """Both, one after the other."""
    counts = ("events", "parked", "skipped", "missing", "doubled", "unexpected", "repaired")
    return replace(audit, **{name: getattr(audit, name) + getattr(block, name) for name in counts})


class Told(Struct, frozen=True):
    """What a block's store, dead letters and bits say of each position."""

    window: Digest
    due: Digest
    early: Digest
    parked: Digest
    skipped: Digest
    bits: Digest

    def of(self, stretch: int) -> Audit:
        """What one stretch of it shows."""
        window, due, early, parked, skipped = (
            each.get(stretch, (0, 0))[0] for each in (self.window, self.due, self.early, self.parked, self.skipped)
        )
        once, twice = self.bits.get(stretch, (0, 0))
        wanted = due & ~(parked | skipped)
        return Audit(
            "", Position(0), Position(0),
            events=due.bit_count(),
            parked=(due & parked).bit_count(),
            skipped=(due & skipped).bit_count(),
            missing=_positions(stretch, wanted & ~once),
            doubled=_positions(stretch, wanted & twice),
            unexpected=_positions(stretch, once & window & ~early & ~wanted),
        )  # fmt: skip


def _positions(stretch: int, bits: int) -> tuple[Position, ...]:
    return tuple(map(Position, places(stretch, bits)))
