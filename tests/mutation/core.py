"""The modules that are held to the mark, the mark, and the tests that are asked."""

from __future__ import annotations

from typing import Final

MARK: Final = 85
"""Percent of a module's mutants that the tests must kill."""

CORE: Final = (
    "query", "fold", "inverse", "marks", "messages", "limits", "sqltext", "upcasting", "chains", "rows", "sameness",
    "clock", "projection", "tables", "process", "external", "sagas", "steps", "replaying", "schedule", "cron", "snapshot",
    "fingerprint", "patching", "undoing", "publication", "signatures", "cloudevents", "commands", "refusals", "closing",
    "repeats", "archiving", "copying/changes", "copying/digests", "copying/report", "copying/stored",
)  # fmt: skip
"""Rooms of src/refold, lowest first. One that has no function to change (migration) is not among them."""

TESTS: Final = (
    "tests/unit", "tests/laws", "tests/flows", "tests/contract/test_memory.py",
    "tests/publishing/test_cloudevents.py", "tests/publishing/test_signatures.py", "tests/publishing/test_steps.py",
)  # fmt: skip
"""Fast ones, without a server. A change that only slower tests find counts as one that survived."""

SECONDS: Final = 0.6
"""Of CPU, at most, that the tests of one mutant take if none of them fails."""
