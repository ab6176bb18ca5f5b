"""What Refold promises: one sentence each, by the number that tests carry, and what none of them means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PROMISES: Final[Mapping[str, str]] = {
    "G1": "An append becomes visible whole or never, to every reader and after every crash.",
    "G2": "What was acknowledged is durable, at the level that `store.durability` names.",
    "G3": "An append ends as done, as refused and certainly not written, or as `OutcomeUnknown`.",
    "G4": "A repeated request gives the first answer; the same id or key with another body is an error.",
    "G5": "Conditions are linearizable in each stream, and a conflict is told only where there is one.",
    "G6": "All subscribers see one order without holes; nothing appears below a cursor that was handed out.",
    "G7": "What was read once is never taken back.",
    "G8": "Facts cannot be changed, and `verify` finds what was changed by whoever has the rights to.",
    "G9": "Reads take constant memory.",
    "G10": "A backup is a consistent prefix of the log, verified, and can be restored.",
    "G11": "Tenants cannot tell that others exist.",
    "G12": "Limits on names, events, batches and pages hold.",
    "G13": "What was accepted reads back equal, on every backend.",
    "G14": "A full disk gives a clear error and leaves nothing half-written; reads go on, and appends do when there is space.",
    "G15": "An event has its effect in the database of a projection exactly once.",
    "G16": "An effect outside happens at least once, under one key.",
    "G17": "A partition has one owner, and one that was taken for dead cannot write.",
    "G18": "An event that cannot be applied parks its key; others go on, and the order of each key is kept.",
    "G19": "A slow reader costs the others nothing.",
    "G20": "A rebuilt read model is what the live one is, and the switch is atomic.",
    "G21": "Every process that began ends completed, compensated, or parked with a reason.",
    "G22": "Compensation is whole and in reverse, steps of unknown outcome included.",
    "G23": "Timers are never lost and never early, and each has its effect once.",
    "G24": "Instances that are under way survive new code, or are parked; none goes on wrongly.",
    "G25": "The death of a PostgreSQL backend or leader loses, doubles and skips nothing.",
    "G26": "The death of a JetStream leader loses and doubles nothing.",
    "G27": "Malformed requests get a proper answer: no 5xx, no hang, no traceback.",
    "G28": "No secret is in logs, errors, URLs, traces or `repr`.",
    "G29": "A clock that jumps changes no order.",
    "G30": "Weak set-ups are refused with the way out.",
}

NOT_PROMISED: Final = (
    "Durability beyond the level that `store.durability` names: `best-effort` loses the newest commits in a power cut.",
    "Anything of a disk that says it has written and has not, or of a file system that reorders across its own barriers.",
    "Exactly once for effects outside the database: they happen at least once, under a key by which the receiver may tell.",
    "One global order on JetStream across streams of other servers, or positions without gaps there.",
    "That a standby, or a replica of JetStream, already shows what the leader acknowledged: wait for it.",
    "Secrecy from who can read the database's file: put it on an encrypted disk.",
    "That `refold verify` alone finds what is cut off at the end, or has a new digest too: `verify --restore` does.",
    "Order between partitions of one projection; each key has its own.",
)
