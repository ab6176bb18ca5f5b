"""G24: instances that are under way survive new code, or are parked; none goes on wrongly.

Golden histories are what code of an earlier day wrote of two dozen sagas and as many processes, each somewhere on its way.
Code of today reads their journals, and makes the same index of them; goes on to the end, and all is right; finds results by
the names of steps, where these were moved and new ones are between them; and where a step, or a version, is missing, it parks
the instance and leaves its journal as it was, so that the right code then ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.faults.checkout import parts
from tests.faults.judging import contradictions
from tests.guarantees.golden.histories import FILES, index_of
from tests.guarantees.golden.programs import moved, of_another_version, of_both_versions, without_the_charge
from tests.guarantees.golden.restoring import contradictions_but_for_order, restored
from tests.guarantees.seeding import named
from tests.guarantees.telling import tell

pytestmark = [pytest.mark.guarantee("G24")]
LAST = FILES[-1:]


def on(backend: str, files: Sequence[Path]) -> list[Any]:
    """Each of the files on a backend."""
    return [pytest.param(backend, file, id=f"{backend}-{file.stem}") for file in files]


EACH = pytest.mark.parametrize(
    ("new_url", "file"), [*on("sqlite", FILES), *on("postgresql", LAST)], indirect=["new_url"]
)
ELSEWHERE = pytest.mark.parametrize(("new_url", "file"), on("jetstream", FILES), indirect=["new_url"])


def end(url: str, file: Path, place: Path) -> None:
    with restored(url, file, place) as there:
        was_so = index_of(there.store, there.world) == there.history.index
        some = there.go_on(parts)
        before = index_of(there.store, there.world)
        wrong = contradictions(there.store, some, there.world)
        if (
            named(url) == "jetstream"
        ):  # there the index is written first, and a place in it foretold: only its order matters
            wrong = [each for each in wrong if "the index has" not in each]
        is_whole = index_of(there.store, there.world) == before  # which is made anew by now
        under_way = sum(row[3] == "running" for tables in there.history.index.values() for row in tables[0])
        tell(
            "G24", named(url), history=file.stem, events=len(there.history.rows), under_way=under_way, wrong=len(wrong)
        )
        assert (was_so, wrong, is_whole, there.is_kept(), under_way > 20) == (True, [], True, True, True)


@EACH
def test_what_older_code_wrote_is_read_and_goes_on_to_its_end(url: str, file: Path, tmp_path: Path) -> None:
    end(url, file, tmp_path)


@pytest.mark.long
@ELSEWHERE
def test_what_older_code_wrote_goes_on_to_its_end_where_events_are_elsewhere(
    url: str, file: Path, tmp_path: Path
) -> None:
    end(url, file, tmp_path)


@ELSEWHERE
def test_what_older_code_wrote_is_read_where_events_are_elsewhere(url: str, file: Path, tmp_path: Path) -> None:
    with restored(url, file, tmp_path) as there:
        found, events = index_of(there.store, there.world), len(there.history.rows)
        tell("G24", named(url), history=file.stem, events=events, different=int(found != there.history.index))
        assert (found, there.is_kept()) == (there.history.index, True)


@EACH
def test_results_are_found_by_the_names_of_steps_that_were_moved(url: str, file: Path, tmp_path: Path) -> None:
    with restored(url, file, tmp_path) as there:
        some = there.go_on(moved)
        wrong = contradictions_but_for_order(there.store, some, there.world)
        charged = {subject: keys for verb, subject, keys in there.world.asked() if verb == "charge"}
        tell("G24", named(url), history=file.stem, code="moved", charged=len(charged), wrong=len(wrong))
        assert wrong == []
        assert set(charged.values()) == {1}
        assert there.is_kept()


@EACH
def test_where_a_step_is_missing_the_instance_is_parked_and_the_right_code_ends_it(
    url: str, file: Path, tmp_path: Path
) -> None:
    with restored(url, file, tmp_path) as there:
        before = there.states("checkout")
        taken = {
            subject for verb, subject, _ in there.world.asked() if verb == "charge" and before[subject] == "running"
        }
        broken = there.go_on(without_the_charge)
        why = there.stuck(broken, "checkout")
        assert {there.states("checkout")[id] for id in taken} == {"running"}
        some = there.go_on(parts)
        there.retry(some, "checkout")
        there.go_on(parts)
        others = set(before) - taken
        wrong = [
            each for each in contradictions(there.store, some, there.world) if not any(id in each for id in others)
        ]
        ended = [id for id in taken if there.states("checkout")[id] != "running"]
        tell(
            "G24",
            named(url),
            history=file.stem,
            code="a step is missing",
            parked=len(why),
            ended=len(ended),
            wrong=len(wrong),
        )
        assert (wrong, there.is_kept()) == ([], True)
        assert taken
        assert all("without step 'charge'" in why.get(id, "") or "is parked" in why.get(id, "") for id in taken), why


@EACH
def test_where_a_version_is_missing_the_instance_is_parked_until_it_is_named(
    url: str, file: Path, tmp_path: Path
) -> None:
    with restored(url, file, tmp_path) as there:
        running = {id for id, state in there.states("watch").items() if state == "running"}
        why = there.stuck(there.go_on(of_another_version), "watch")
        some = there.go_on(of_both_versions)
        there.retry(some, "watch")
        there.go_on(of_both_versions)
        wrong = contradictions(there.store, some, there.world)
        tell("G24", named(url), history=file.stem, code="a version is missing", parked=len(why), wrong=len(wrong))
        assert (wrong, there.is_kept()) == ([], True)
        assert running <= set(why)
        assert all("name it in earlier=" in each for each in why.values())
