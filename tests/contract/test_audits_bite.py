"""The contract of dead letters and audits bites: with one fault planted in them, the test that is there for it fails."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from refold.flows.projections import applied, audit, dead_letters, mending, retrying
from refold.flows.projections.applied import Applied, Digest
from refold.flows.projections.dead_letters import IN
from refold.ports import Backend, Own
from refold.projection import by_stream
from refold.testing.contract import Place, StoreContract, Stores
from refold.testing.contract.working import histories

Plant = Callable[[pytest.MonkeyPatch], None]
Contradicted = (Exception, pytest.fail.Exception)  # whatever way the test goes wrong; a skip is not among them

CONTRACT = StoreContract()


def a_digest_that_does_not_count(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(applied, "_added", lambda one, other: (one[0] | other[0], 0))


def a_digest_that_cancels_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(applied, "_added", lambda one, other: (one[0] ^ other[0], 0))


def a_step_that_forgets_the_bits_before_it(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Applied, "with_positions", lambda self, positions: applied.digest(positions))


def a_worker_that_knows_the_newest_stretch_alone(patch: pytest.MonkeyPatch) -> None:
    newest = (
        "select stretch, once, twice from {refold}applied"
        " where projection = :projection and build = :build and first_slot = :first order by stretch desc limit 1"
    )
    patch.setattr("refold.flows.projections.work.NEWEST", newest)


def an_audit_that_knows_the_first_partition_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        applied,
        "_OF_ALL",
        "select stretch, once, twice from {refold}applied"
        " where projection = :projection and build = :build and first_slot = 0 and stretch between :low and :high",
    )


def an_audit_that_expects_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(audit, "handled_types", lambda runtime, projection: frozenset({"of.nothing"}))


def an_audit_that_expects_every_event(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(audit, "handled_types", lambda runtime, projection: None)


def an_audit_that_does_not_know_dead_letters(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(audit, "_LETTERS", audit._LETTERS + " and 1 = 0")


def an_audit_that_takes_every_partition_for_the_fastest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(audit._Auditor, "_reached", lambda self, parts, row: max(part.position for part in parts))


def an_audit_that_goes_back_to_the_beginning(patch: pytest.MonkeyPatch) -> None:
    whole = audit._blocks
    patch.setattr(audit, "_blocks", lambda after, until: whole(0, until))


def an_audit_that_looks_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(audit, "_fences", lambda parts: ())


def a_repair_without_a_bit(patch: pytest.MonkeyPatch) -> None:
    async def keeping(*_: object) -> list[Own]:
        return []

    patch.setattr(mending, "keeping", keeping)


def a_repair_that_keeps_its_own_bit_alone(patch: pytest.MonkeyPatch) -> None:
    async def keeping(backend: Backend, build: Any, first: int, positions: Any) -> list[Own]:
        bits: Digest = applied.digest(positions)
        return applied.kept(build, first, bits)

    patch.setattr(mending, "keeping", keeping)


def a_repair_that_overtakes_a_dead_letter(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(audit, "_BEFORE", audit._BEFORE.replace("limit 1", "limit 0"))


def a_claim_that_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(mending, "_CLAIM", mending._CLAIM.replace("and fence = :fence", "and fence <> -:fence"))


def a_fence_that_is_not_raised(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(mending, "_CLAIM", mending._CLAIM.replace("fence = fence + 1,", ""))


def a_retry_that_knows_no_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retrying, "_OF_KEY", retrying._OF_KEY.replace("position <= :until", ":until > 0"))


def a_retry_from_behind(patch: pytest.MonkeyPatch) -> None:
    whole = dead_letters.letters_of

    async def letters(target: Any, build: Any, text: str, **values: Any) -> Any:
        found = await whole(target, build, text, **values)
        return found[::-1]

    patch.setattr(retrying, "letters_of", letters)


def a_retry_that_does_not_count(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retrying, "_FAILED", retrying._FAILED.replace("attempts + 1", "attempts"))


def a_skip_that_forgets_the_event(patch: pytest.MonkeyPatch) -> None:
    forget = f"delete {IN} and position = :position returning position"
    patch.setattr(retrying, "_SKIP", forget)


LOCATED = "test_missed_and_doubled_events_are_located_and_those_missed_delivered"
FAULTS: list[tuple[Plant, str]] = [
    (a_digest_that_does_not_count, "test_a_checkpoint_that_was_put_back_shows_what_was_doubled_and_nothing_else"),
    (a_digest_that_cancels_out, LOCATED),
    (a_step_that_forgets_the_bits_before_it, "test_a_read_model_that_took_in_all_is_sound"),
    (a_worker_that_knows_the_newest_stretch_alone, "test_a_checkpoint_that_was_put_back_shows_what_was_doubled_and_nothing_else"),
    (an_audit_that_knows_the_first_partition_alone, "test_what_a_partition_applied_before_it_was_split_is_still_known"),
    (an_audit_that_expects_nothing, LOCATED),
    (an_audit_that_expects_every_event, "test_a_read_model_that_took_in_all_is_sound"),
    (an_audit_that_does_not_know_dead_letters, "test_dead_letters_are_accounted_for"),
    (an_audit_that_goes_back_to_the_beginning, "test_positions_before_there_was_a_digest_are_not_audited"),
    (a_repair_without_a_bit, LOCATED),
    (a_repair_that_keeps_its_own_bit_alone, "test_an_old_stretch_keeps_its_bits_when_an_event_of_it_is_retried"),
    (a_repair_that_overtakes_a_dead_letter, "test_a_repair_that_fails_becomes_a_dead_letter"),
    (a_fence_that_is_not_raised, "test_who_works_on_the_partition_looks_anew_after_a_retry_and_a_skip"),
    (a_claim_that_is_not_checked, "test_a_retry_that_was_overtaken_applies_nothing_twice"),
    (a_claim_that_is_not_checked, "test_a_repair_that_was_overtaken_delivers_nothing_twice"),
    (a_retry_that_knows_no_end, "test_a_retry_until_a_position_leaves_what_is_beyond"),
    (a_retry_from_behind, "test_with_a_mended_handler_a_retry_applies_all_in_order_and_the_key_goes_on"),
    (a_retry_that_does_not_count, "test_a_retry_that_fails_again_keeps_the_error_and_those_behind_it"),
    (a_skip_that_forgets_the_event, "test_a_skipped_event_is_given_up_and_those_behind_it_are_applied"),
]  # fmt: skip


@pytest.mark.parametrize(("plant", "test"), FAULTS, ids=[f"{plant.__name__}-{test}" for plant, test in FAULTS])
async def test_a_planted_fault_is_found(plant: Plant, test: str, tmp_path: Path) -> None:
    await run(test, tmp_path / "healthy.db")  # so it is the fault that is found
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        with pytest.raises(Contradicted):
            await run(test, tmp_path / "planted.db")


async def test_an_audit_that_takes_every_partition_for_the_fastest_is_found(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        an_audit_that_takes_every_partition_for_the_fastest(patch)
        with pytest.raises(Contradicted):
            await run(PARTITIONS, tmp_path / "planted.db", key=by_stream)


async def test_an_audit_that_looks_once_is_found(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        an_audit_that_looks_once(patch)
        with pytest.raises(Contradicted):
            await run(WHILE_IT_LOOKS, tmp_path / "planted.db", before="stored_digest")


PARTITIONS = "test_partitions_that_are_not_equally_far_are_audited_each_as_far_as_it_is"
WHILE_IT_LOOKS = "test_what_is_retried_while_the_audit_looks_is_no_finding"


async def run(test: str, path: Path, **given: Any) -> None:
    """One test of the contract, on a store at a path."""
    stores = Stores(Place(url=f"sqlite:///{path}?durability=best-effort", durable=True, sql=True), "AsyncStore")
    method = getattr(CONTRACT, test)
    try:
        store = await stores.open()
        with pytest.MonkeyPatch.context() as patch:
            fixtures = {
                "store": store,
                "sql_store": store,
                "stores": stores,
                "clean": store.model(histories()),
                "failing": store.model(histories(poison={13, 17})),
                "monkeypatch": patch,
                **given,
            }
            await method(**{name: fixtures[name] for name in inspect.signature(method).parameters})
    finally:
        await stores.close()
