"""What an operator does: confirmed, with a reason, kept in the audit, and done."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from tests.studio.conftest import JSON, Client, Open, carts, noted, run_through

from refold import AsyncStore
from refold.http import Access, Grant
from refold.http.auditing import AUDIT

WHY = {"reason": "a test", "confirm": "yes"}


async def operator(_: Request) -> Access:
    return Access("ada", (Grant("read"), Grant("append"), Grant("admin")))


@pytest.fixture
async def desk(store: AsyncStore, opened: Open) -> Client:
    """Two notes that cannot be taken in, and one that waits behind the first."""
    await carts(store, fill=2)
    await noted(store, "a [gift]", "another [gift]", "more")
    await run_through(store)
    return opened(authorize=operator, read_only=False)


async def asked(store: AsyncStore) -> list[tuple[str, str, str, str | None]]:
    """What the audit holds."""
    found = [event async for event in store.read(category=AUDIT)]
    return [(each.data.action, each.data.subject, each.data.reason, each.metadata.actor) for each in found]


async def test_a_read_model_is_paused_and_resumed_and_that_is_kept(desk: Client, store: AsyncStore) -> None:
    page = await desk.get("/projections/notes/pause")
    paused = await desk.post("/projections/notes/pause", data={**WHY, "reason": "the disk"})
    states = [(await desk.get("/projections/notes", headers=JSON)).json()["data"][0]["state"]]
    resumed = await desk.post("/projections/notes/resume", data=WHY)
    states.append((await desk.get("/projections/notes", headers=JSON)).json()["data"][0]["state"])
    assert ("I mean it" in page.text, paused.status_code, paused.headers["location"]) == (True, 303, "/projections")
    assert (resumed.status_code, states) == (303, ["paused", "running"])
    assert await asked(store) == [
        ("projections.pause", "notes", "the disk", "ada"), ("projections.resume", "notes", "a test", "ada"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "form",
    [
        {}, {"reason": "a test"}, {"confirm": "yes"}, {"reason": " ", "confirm": "yes"}, {"reason": "x" * 501, "confirm": "yes"},
    ],
)  # fmt: skip
async def test_without_a_reason_or_a_confirmation_nothing_is_done(
    desk: Client, store: AsyncStore, form: dict[str, str]
) -> None:
    person = await desk.post("/projections/notes/pause", data=form or {"x": ""})
    program = await desk.post("/projections/notes/pause", json=form, headers=JSON)
    assert (person.status_code, "I mean it" in person.text, program.status_code) == (422, True, 422)
    assert ((await desk.get("/projections/notes", headers=JSON)).json()["data"][0]["state"], await asked(store)) == (
        "running",
        [],
    )


async def test_a_program_may_steer_too(desk: Client) -> None:
    answer = await desk.post("/projections/notes/rebuild", json={"reason": "a test", "confirm": True}, headers=JSON)
    assert answer.json() == {"schema": 1, "done": "Rebuild", "outcome": {"build": 2}}


async def test_dead_letters_are_retried_by_key_by_group_and_up_to_a_position_and_skipped(
    desk: Client, store: AsyncStore
) -> None:
    (box,) = (await desk.get("/dead-letters", headers=JSON)).json()["data"]
    (group,) = box["groups"]
    first = box["letters"][0]["position"]
    outcomes = [
        (await desk.post(f"/dead-letters/notes/{path}", json=WHY, headers=JSON)).json()["outcome"]
        for path in (
            f"retry?key={box['letters'][0]['key']}", f"retry?until={first}", f"retry?error={group['error']}&type={group['type']}",
            "retry?error=KeyError", f"skip/{first}",
        )
    ]  # fmt: skip
    attempts = {each["position"]: each["attempts"] for each in box["letters"]}
    (after,) = (await desk.get("/dead-letters", headers=JSON)).json()["data"]
    assert (group["error"], group["failed"], group["waiting"], box["parked"]) == ("ValueError", 2, 1, 3)
    assert outcomes == [{"applied": 0}] * 4 + [{"applied": 1}]
    assert [(each["position"], each["attempts"] - attempts[each["position"]]) for each in after["letters"]] == [
        (box["letters"][1]["position"], 1)
    ]
    assert [each[0] for each in await asked(store)] == ["dead-letters.retry"] * 4 + ["dead-letters.skip"]


async def test_an_instance_is_cancelled_and_the_page_says_so(desk: Client, store: AsyncStore) -> None:
    cancelled = await desk.post("/processes/reminders/c-1/cancel", data=WHY)
    await run_through(store)
    html = (await desk.get("/processes/reminders/c-1")).text
    assert (cancelled.status_code, cancelled.headers["location"]) == (303, "/processes/reminders/c-1")
    assert "cancelled" in html
    assert await asked(store) == [("processes.cancel", "reminders c-1", "a test", "ada")]


async def test_what_the_application_does_not_have_cannot_be_steered(desk: Client) -> None:
    paths = (
        "/projections/none/rebuild",
        "/dead-letters/none/retry",
        "/processes/none/x/retry",
        "/dead-letters/notes/skip/x",
    )
    assert [(await desk.post(path, data=WHY)).status_code for path in paths] == [404, 404, 404, 400]


async def test_other_bodies_are_refused(desk: Client) -> None:
    text = await desk.post("/projections/notes/pause", content=b"reason=x", headers={"Content-Type": "text/plain"})
    wide = await desk.post("/projections/notes/pause", data={"reason": "x" * (1 << 20)})
    array = await desk.post("/projections/notes/pause", json=[1], headers=JSON)
    assert (text.status_code, wide.status_code, array.status_code) == (415, 413, 400)


# Commands ---------------------------------------------------------------------

ADD = {"id": "c-1", "field.sku": "b-1", "field.qty": "4"}


async def test_a_command_is_tried_out_and_nothing_is_appended(desk: Client, store: AsyncStore) -> None:
    before = int(await store.head())
    html = (await desk.post("/commands/cart.add", data={**ADD, "do": "try"})).text
    told = (
        await desk.post("/commands/cart.add", json={"id": "c-1", "data": {"sku": "b-1", "qty": 4}}, headers=JSON)
    ).json()
    assert told["decision"] == {
        "stream": "cart-c-1", "version": 1, "events": [{"type": "cart.item-added", "data": {"sku": "b-1", "qty": 4}}],
        "before": {"items": 1}, "after": {"items": 5},
    }  # fmt: skip
    assert ("<del>1</del>" in html, int(await store.head())) == (True, before)


async def test_a_command_that_is_refused_says_why(desk: Client) -> None:
    html = await desk.post("/commands/cart.add", data={**ADD, "field.qty": "11"})
    told = await desk.post("/commands/cart.add", json={"id": "c-1", "data": {"sku": "b", "qty": 11}}, headers=JSON)
    assert (html.status_code, "Full: 1 are in it" in html.text) == (422, True)
    assert (told.status_code, told.json()["error"]) == (422, "Full")


@pytest.mark.parametrize("field", [{"field.qty": "many"}, {"field.qty": ""}, {"field.qty": "1.5"}])
async def test_what_does_not_fit_is_told_and_the_form_keeps_what_was_given(desk: Client, field: dict[str, str]) -> None:
    answer = await desk.post("/commands/cart.add", data={**ADD, **field})
    assert (answer.status_code, 'role="alert"' in answer.text, 'value="b-1"' in answer.text) == (422, True, True)


async def test_a_command_is_appended_with_a_reason_and_kept_in_the_audit(desk: Client, store: AsyncStore) -> None:
    form = {**ADD, "do": "append"}
    refused = await desk.post("/commands/cart.add", data=form)
    done = await desk.post("/commands/cart.add", data={**form, **WHY})
    (last,) = [event async for event in store.read("cart-c-1", direction="backward", limit=1)]
    assert (refused.status_code, done.status_code, done.headers["location"]) == (422, 303, "/streams/cart-c-1?at=2")
    assert (last.version, last.metadata.actor) == (2, "ada")
    assert await asked(store) == [("commands.handle", "cart.add cart-c-1", "a test", "ada")]
