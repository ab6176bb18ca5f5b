"""The world outside a store: a SQLite file of its own, in which each effect happens once for a key. It fails at random."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from random import Random
from typing import Final, Literal

import apsw

from refold import Declined

Fate = str
"""What becomes of a call: works, before (it fails and nothing happened), after (it fails, and it happened), declined."""

_SCHEMA: Final = """
create table if not exists calls (number integer primary key, key text, verb text, subject text, fate text);
create table if not exists effects (
  number integer primary key, key text, verb text, subject text, unique (key, verb)) strict;
"""
_UNDOES: Final = {"charge": "refund", "label": "unlabel"}


class Outside:
    """Whoever an order is about tells by its name how it goes with it: `poor-7` has no money, and so on."""

    def __init__(self, place: str, seed: int, flaky: float, *, healed: bool = False) -> None:
        """`flaky`: how probable it is that a call fails, before or after it had its effect; `healed`: it goes well with all."""
        self.place, self._seed, self._flaky, self._healed = place, seed, flaky, healed
        with self._open() as db:
            db.execute(_SCHEMA)

    def charge(self, order: str, key: str) -> str:
        """Take the money, once for a key; not after it was given back."""
        self._do("charge", order, key)
        return f"paid {order}"

    def refund(self, order: str, key: str) -> None:
        """Give it back. Whatever comes later under this key takes nothing."""
        self._do("refund", order, key)

    def label(self, order: str, key: str) -> None:
        """Print a label."""
        self._do("label", order, key)

    def unlabel(self, order: str, key: str) -> None:
        """Tear it up."""
        self._do("unlabel", order, key)

    def deliver(self, order: str, key: str) -> None:
        """Bring it."""
        self._do("deliver", order, key)

    def letter(self, subject: str, key: str) -> None:
        """Send one."""
        self._do("letter", subject, key)

    def effects(self, verb: str) -> list[str]:
        """What happened to whom, in its order."""
        with self._open() as db:
            return [
                str(subject)
                for (subject,) in db.execute("select subject from effects where verb = ? order by number", (verb,))
            ]

    def asked(self) -> list[tuple[str, str, int]]:
        """How many keys each thing was asked for with."""
        with self._open() as db:
            rows = db.execute("select verb, subject, count(distinct key) from calls group by 1, 2")
            return [(str(verb), str(subject), int(str(count))) for verb, subject, count in rows]

    def called(self, verb: str, subject: str) -> dict[str, int]:
        """How often it was asked for, and with how many keys."""
        with self._open() as db:
            text = "select count(*), count(distinct key) from calls where (verb, subject) = (?, ?)"
            ((times, keys),) = db.execute(text, (verb, subject)).fetchall()
            return {"times": int(str(times)), "keys": int(str(keys))}

    def counted(self, table: Literal["calls", "effects"]) -> Counter[tuple[str, str, str]]:
        """How often each thing was asked of whom under which key, or happened."""
        with self._open() as db:
            rows = db.execute(f"select verb, subject, key, count(*) from {table} group by 1, 2, 3")  # noqa: S608 - names of ours
            return Counter({(str(verb), str(subject), str(key)): int(str(n)) for verb, subject, key, n in rows})

    def subjects(self) -> list[str]:
        """All to whom anything happened."""
        with self._open() as db:
            return [str(subject) for (subject,) in db.execute("select distinct subject from effects order by 1")]

    def happened_to(self, subject: str) -> list[str]:
        """What happened to one, in its order."""
        with self._open() as db:
            return [
                str(verb)
                for (verb,) in db.execute("select verb from effects where subject = ? order by number", (subject,))
            ]

    def _do(self, verb: str, subject: str, key: str) -> None:
        fate = self._called(verb, subject, key)
        if fate == "declined":
            raise Declined(f"no {verb} for {subject}")
        if fate == "before":
            raise OSError(f"{verb} is away")
        with self._open() as db:
            undone = db.execute(
                "select 1 from effects where key = ? and verb = ?", (key, _UNDOES.get(verb, "-"))
            ).fetchall()
            if undone:
                raise Declined(f"{verb} for {subject} was undone already")
            db.execute(
                "insert into effects (key, verb, subject) values (?, ?, ?) on conflict do nothing", (key, verb, subject)
            )
        if fate == "after":
            raise OSError(f"{verb} did not answer")

    def _called(self, verb: str, subject: str, key: str) -> Fate:
        """Keep the call, and say what becomes of it: that depends on who, what, and how often."""
        with self._open() as db:
            ((number,),) = db.execute("select count(*) from calls where key = ? and verb = ?", (key, verb)).fetchall()
            fate = self._fate(verb, subject, int(str(number)))
            db.execute("insert into calls (key, verb, subject, fate) values (?, ?, ?, ?)", (key, verb, subject, fate))
            return fate

    def _fate(self, verb: str, subject: str, number: int) -> Fate:
        kind = "" if self._healed else subject.partition("-")[0]
        if (verb, kind) == ("charge", "poor"):
            return "declined"
        if (verb, kind) in {("charge", "dumb"), ("refund", "mean"), ("deliver", "lost")}:
            return "after"
        if (verb, kind) in {("label", "mean"), ("label", "torn"), ("letter", "dumb")}:
            return "before"
        random = Random(f"{self._seed} {verb} {subject} {number}")  # noqa: S311 - the same each time for a seed
        return random.choice(("before", "after")) if random.random() < self._flaky else "works"

    @contextmanager
    def _open(self) -> Generator[apsw.Connection]:
        """One transaction."""
        db = apsw.Connection(self.place)
        try:
            db.set_busy_timeout(60_000)
            db.execute("pragma synchronous = off")
            db.execute("begin immediate")
            yield db
            db.execute("commit")
        finally:
            db.close()  # which rolls back what is not committed
