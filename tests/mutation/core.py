"""The rooms that are held to the mark, the mark, and the tests that hold each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MARK: Final = 85
"""Percent of a room's mutants that its tests must kill."""

_CONTRACT: Final = "mutation/contract.py"
_FINGERPRINT: Final = (
    "unit/test_fingerprint.py unit/test_fingerprint_texts.py unit/test_fingerprint_constants.py "
    "unit/test_fingerprint_reach.py"
)

ROOMS: Final[Mapping[str, str]] = {
    "query": "unit/test_query.py laws/test_names_and_queries.py",
    "fold": "unit/test_fold.py laws/test_folds.py",
    "inverse": "unit/test_inverse.py",
    "marks": "unit/test_marks.py",
    "messages": "unit/test_messages.py laws/test_names_and_queries.py",
    "limits": "unit/test_limits.py",
    "sqltext": "unit/test_sqltext.py",
    "upcasting": "unit/test_upcasting.py",
    "chains": "unit/test_chains.py unit/test_upcasting.py",
    "rows": "unit/test_rows.py",
    "sameness": "unit/test_sameness.py",
    "clock": "unit/test_clock.py laws/test_names_and_queries.py laws/test_envelopes.py",
    "projection": "unit/test_projection.py",
    "columns": "unit/test_tables.py",
    "tables": "unit/test_tables.py",
    "process": "unit/test_process.py",
    "external": "unit/test_external.py",
    "sagas": "unit/test_declared_sagas.py unit/test_sagas.py",
    "steps": "unit/test_steps.py",
    "replaying": "unit/test_replaying.py",
    "schedule": "unit/test_schedule.py",
    "cron": "unit/test_cron.py laws/test_cron.py",
    "patching": "unit/test_patching.py",
    "undoing": "unit/test_undoing.py",
    "publication": "unit/test_publication.py",
    "signatures": "publishing/test_signatures.py",
    "commands": "unit/test_commands.py",
    "repeats": "unit/test_repeats.py",
    "snapshot": "unit/test_snapshot.py",
    "sets": "unit/test_sets.py",
    "fingerprint": _FINGERPRINT,
    "telling": _FINGERPRINT,
    "insides": _FINGERPRINT,
    "cloudevents": "unit/test_cloudevents.py publishing/test_cloudevents.py",
    "personal": "unit/test_seals.py unit/test_personal.py",
    "codec": (
        "unit/test_codec.py unit/test_sets.py unit/test_same_events.py unit/test_known_classes.py unit/test_decoding.py "
        "unit/test_recorded.py unit/test_seals.py unit/test_upcasting.py"
    ),
    "decoding": "unit/test_decoding.py unit/test_recorded.py unit/test_seals.py unit/test_upcasting.py",
    "refusals": "unit/test_refusals.py",
    "closing": "unit/test_closing.py",
    "archiving": "unit/test_archiving.py",
    "copying/changes": "unit/test_copies.py",
    "copying/digests": "unit/test_copies.py",
    "copying/report": "unit/test_copies.py",
    "copying/stored": "unit/test_copies.py",
    "flows/append": _CONTRACT,
    "flows/commit": f"flows/test_commit.py {_CONTRACT}",
    "flows/together": _CONTRACT,
    "flows/prepare": f"flows/test_prepare.py {_CONTRACT}",
    "flows/read": f"flows/test_read.py {_CONTRACT}",
    "flows/load": f"flows/test_load.py flows/test_transact.py {_CONTRACT}",
    "flows/decide": f"flows/test_decide.py {_CONTRACT}",
    "flows/transact": f"flows/test_transact.py faults/test_handing_on.py {_CONTRACT}",
    "flows/handing": f"flows/test_handing.py faults/test_handing_on.py {_CONTRACT}",
    "flows/follow": f"flows/test_follow.py {_CONTRACT}",
    "flows/history": f"flows/test_histories.py laws/test_histories.py {_CONTRACT}",
    "flows/whatif": f"flows/test_histories.py laws/test_histories.py {_CONTRACT}",
    "flows/shortcuts": f"flows/test_shortcuts.py laws/test_snapshots.py {_CONTRACT}",
    "flows/snapshots": f"flows/test_snapshots.py laws/test_snapshots.py {_CONTRACT}",
    "flows/snapshotting": f"flows/test_snapshotting.py flows/test_snapshots.py laws/test_snapshots.py {_CONTRACT}",
}
"""Of src/refold, lowest first, each with the files of tests that are about it. What only others find counts as survived."""

SECONDS: Final = 3.0
"""Of CPU, at most, that the tests of one mutant take if none of them fails."""
