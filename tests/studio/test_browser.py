"""The Studio in a browser: keys, live rows, nothing that the policy forbids, nothing that keeps people out."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from tests.studio.demo import app, fill
from tests.studio.serving import Served, served_apart

from refold import RawEvent, Store
from refold.messages import Metadata, NewEvent

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_core_python.sync_playwright", reason="axe-core-python is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium"),
    pytest.mark.xdist_group("browser"),
]
ORDER = "order-1042"
PAGES = (
    "/", "/events", "/events/1", f"/events?stream={ORDER}", "/streams", f"/streams/{ORDER}?at=6", f"/streams/{ORDER}?at=7&base=2",
    f"/streams/{ORDER}/whatif?drop=3", "/streams/stock-cup", "/traces", "/traces/{story}", "/projections",
    "/projections/labels", "/projections/labels/pause", "/dead-letters", "/processes", "/processes/fulfilment",
    "/processes/fulfilment/1042", "/catalogue", "/catalogue/order.placed", "/commands", "/commands/order.add-line",
    "/search?q=order", "/nothing", "/model", "/review", "/review/ES001", "/statistics", "/statistics?span=year", "/audit",
)  # fmt: skip
Open: TypeAlias = Callable[..., Any]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The day of the demo, on a file."""
    from refold.demo.day import Day  # noqa: PLC0415

    path = tmp_path_factory.mktemp("studio") / "shop.db"
    day = Day()
    with Store.open(f"sqlite:///{path}?durability=best-effort", clock=day.clock) as store:
        fill(store, day, 60)
    return path


@pytest.fixture(scope="module")
def served(shop: Path) -> Iterator[Served]:
    with served_apart(f"sqlite:///{shop}", app=app, read_only=False, name="sqlite · shop.db") as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any, served: Served) -> Iterator[Open]:
    """Opens pages, and in the end asks that nothing was forbidden, nothing failed, and nothing was asked for elsewhere."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def note(what: str) -> str:
        wrong.append(what)
        return what

    def page(at: str = "", *, url: str = served.url, allowed: str = "^$", **options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        contexts.append(context)
        context.add_init_script(
            "addEventListener('securitypolicyviolation', (e) => console.error('CSP ' + e.violatedDirective))"
        )
        found = context.new_page()
        found.set_default_timeout(10_000)
        found.on("console", lambda told: None if _is_calm(told, allowed) else note(told.text))
        found.on("pageerror", lambda error: note(str(error)))
        found.on("dialog", lambda dialog: (note(dialog.message), dialog.dismiss()))
        found.on("request", lambda asked: None if asked.url.startswith((url, "data:")) else note(asked.url))
        if at:
            found.goto(url + at)
        return found

    yield page
    for each in contexts:
        each.close()
    assert wrong == []


def _is_calm(told: Any, allowed: str) -> bool:
    return told.type not in {"error", "warning"} or re.search(allowed, told.text) is not None


@pytest.fixture(scope="module")
def story(shop: Path) -> str:
    with Store.open(f"sqlite:///{shop}", events=[RawEvent]) as store:
        return next(store.read(ORDER, limit=1)).metadata.correlation_id


@pytest.mark.parametrize(
    ("theme", "pages"),
    [
        ("light", ("/", f"/streams/{ORDER}?at=7&base=2", "/traces/{story}", "/projections/labels/pause")),
        (
            "dark",
            (f"/events?stream={ORDER}", f"/streams/{ORDER}?at=7&base=2", "/dead-letters", "/commands/order.add-line"),
        ),
        *(pytest.param(theme, PAGES, marks=pytest.mark.long) for theme in ("light", "dark")),
    ],
    ids=["light", "dark", "all light", "all dark"],
)
def test_no_page_keeps_anybody_out_or_does_what_the_policy_forbids(
    opened: Open, served: Served, story: str, theme: str, pages: tuple[str, ...]
) -> None:
    page = opened(color_scheme=theme, reduced_motion="reduce", allowed="status of 404")
    findings: dict[str, list[str]] = {}
    for at in pages:
        page.goto(served.url + at.replace("{story}", story))
        found = axe.Axe().run(page)["violations"]
        if found:
            findings[at] = [f"{each['id']}: {each['nodes'][0]['html'][:160]}" for each in found]
    assert findings == {}


def test_no_page_is_wider_than_a_phone(opened: Open, served: Served, story: str) -> None:
    page = opened(viewport={"width": 390, "height": 844}, allowed="status of 404")
    wider: dict[str, int] = {}
    for at in PAGES:
        page.goto(served.url + at.replace("{story}", story))
        over = page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth")
        if over > 0:
            wider[at] = over
    assert wider == {}


# Live -------------------------------------------------------------------------


def shown(page: Any) -> list[int]:
    found: list[int] = page.evaluate(
        "[...document.querySelectorAll('#rows .row')].map((row) => Number(row.dataset.position))"
    )
    return found


def reaches(page: Any, position: int) -> None:
    page.wait_for_function(
        "(to) => Number(document.querySelector('[data-head]').textContent.replace(/\\D/g, '')) >= to", arg=position
    )


def test_rows_come_live_without_a_gap_while_a_lot_is_written(opened: Open, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/busy.db?durability=best-effort"
    with Store.open(url, events=[RawEvent]) as store:
        store.append("stone-1", [RawEvent("stone", {"n": n}) for n in range(30)])
        with served_apart(url) as busy:
            page = opened("/events", url=busy.url)
            for _ in range(20):
                store.append("stone-2", [RawEvent("stone", {"n": n}) for n in range(20)])
            reaches(page, 430)
            assert shown(page) == list(range(430, 0, -1))
            page.locator("[data-live]").click()
            store.append("stone-2", [RawEvent("stone", {})])
            page.locator("[data-live]").click()  # what came while it stood still comes now
            reaches(page, 431)
            assert shown(page)[:2] == [431, 430]
            for _ in range(5):
                store.append("stone-2", [RawEvent("stone", {"n": n}) for n in range(50)])
            reaches(page, 681)
            assert shown(page) == list(range(681, 181, -1))  # no more than 500 are kept
            page.close()  # before what it follows ends


def test_a_page_that_is_left_follows_no_more(opened: Open, served: Served) -> None:
    page = opened("/events")
    page.wait_for_function("document.querySelector('[data-live]').getAttribute('aria-pressed') === 'true'")
    page.goto(served.url + "/catalogue")
    page.wait_for_timeout(50)
    for _ in range(200):
        if not served.page.following:
            break
        page.wait_for_timeout(25)
    assert not served.page.following


def test_what_others_have_written_does_nothing(opened: Open, tmp_path: Path) -> None:
    bad = '"><img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
    with Store.open(f"sqlite:///{tmp_path}/bad.db", events=[RawEvent]) as store:
        event = NewEvent(
            RawEvent(bad, {bad: bad}), metadata=Metadata(bad, None, bad, free={bad: bad}), tags=frozenset({bad})
        )
        store.append(f"bad-{bad}", [event])
        with served_apart(f"sqlite:///{tmp_path}/bad.db", name=bad) as served:
            page = opened("/events", url=served.url)
            store.append(f"bad-{bad}", [RawEvent(bad, {bad: bad})])
            reaches(page, 2)
            for selector in (
                "#rows .row >> nth=0",
                ".panel .button >> nth=0",
                "[data-play]",
                ".by a >> nth=1",
                ".spot",
            ):
                page.locator(selector).first.click()
                page.wait_for_load_state()
                assert page.evaluate("window.pwned") is None
            page.keyboard.press("/")
            page.keyboard.type("bad")
            page.locator(".hit").first.wait_for()
            assert (page.evaluate("window.pwned"), page.locator("main img, .hit img").count()) == (None, 0)
            page.close()  # before what it follows ends


# Keys -------------------------------------------------------------------------


def test_rows_are_walked_by_keys_and_shown_beside(opened: Open) -> None:
    page = opened("/events")
    rows = shown(page)
    for _ in range(3):
        page.keyboard.press("j")
    page.keyboard.press("k")
    page.wait_for_function("(at) => document.getElementById('panel').dataset.position == at", arg=str(rows[2]))
    assert (page.locator(".row.selected").get_attribute("data-position"), f"selected={rows[2]}" in page.url) == (
        str(rows[2]),
        True,
    )
    page.keyboard.press("Enter")
    page.wait_for_function("(at) => document.getElementById('panel').dataset.position == at", arg=str(rows[2]))
    page.reload()
    assert page.locator(".row.selected").get_attribute("data-position") == str(rows[2])


def test_the_palette_leads_to_a_stream(opened: Open) -> None:
    page = opened("/")
    page.keyboard.press("/")
    page.keyboard.type("order-104")
    page.locator(".hit >> nth=1").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    wanted = page.locator(".hit.on").inner_text().split("\n")[0]
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"/streams/{wanted}$"))


def test_versions_are_walked_by_keys_and_by_the_ticks_and_stand_in_the_url(opened: Open) -> None:
    page = opened(f"/streams/{ORDER}?at=3")
    page.keyboard.press("ArrowRight")
    page.locator(".history [aria-current] b", has_text="4").wait_for()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.locator(".history [aria-current] b", has_text="2").wait_for()
    assert page.url.endswith(f"/streams/{ORDER}?at=2")
    page.locator(".ticks li >> nth=5").locator("a").click()
    page.locator("#state-title", has_text="State after version 5").wait_for()
    page.locator("text=Pin base").click()
    page.locator(".history a >> nth=7").click()
    page.locator("#diff-title", has_text="v5 → v7").wait_for()
    assert "at=7" in page.url
    assert "base=5" in page.url


def test_keys_that_are_faster_than_the_pages_are_all_counted(opened: Open) -> None:
    page = opened(f"/streams/{ORDER}?at=2")
    press = "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }))"
    page.evaluate(f"() => {{ for (let n = 0; n < 4; n += 1) {press}; }}")
    page.locator("#state-title", has_text="State after version 6").wait_for()


def test_a_history_is_played_to_its_end(opened: Open) -> None:
    page = opened(f"/streams/{ORDER}?at=8")
    page.keyboard.press(" ")
    page.locator(".steps .at", has_text="v9").wait_for()
    page.locator("[data-play][aria-label=Play]").wait_for()


def test_help_and_the_look_are_a_key_and_a_button_away(opened: Open) -> None:
    page = opened("/", color_scheme="light")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("[data-theme-toggle]").click()
    page.reload()
    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (before, after) == ("rgb(250, 250, 251)", "rgb(14, 15, 18)")


def test_what_led_to_an_event_is_lit(opened: Open, story: str) -> None:
    page = opened(f"/traces/{story}")
    page.locator(".spot", has_text="stock.reserved").first.hover()
    lit = page.locator(".spot.lit .event").all_text_contents()
    assert ("order.opened" in lit, "order.placed" in lit, "payment.requested" in lit) == (True, True, False)


# Without, and elsewhere ---------------------------------------------------------


def test_without_javascript_everything_is_there(opened: Open, served: Served) -> None:
    page = opened("/events", java_script_enabled=False)
    page.locator(".chip", has_text="payment").click()
    page.locator("select[name=type]").select_option("payment.received")
    page.locator("noscript button").click()
    assert page.url == f"{served.url}/events?category=payment&type=payment.received&text=&until=&since="
    assert set(page.locator("td.type").all_inner_texts()) == {"payment.received"}
    page.goto(served.url + "/events")
    page.locator("a[rel=next]").click()
    assert "before=" in page.url
    page.locator("td.num a").first.click()
    page.locator(".panel .button").first.click()
    page.locator("[data-step=back]").click()
    page.goto(f"{served.url}/projections/labels/pause")
    assert page.locator("text=I mean it").is_visible()
    assert page.locator("[data-js]").count() > 0
    assert not page.locator("[data-js] >> visible=true").count()


def test_an_operator_pauses_and_resumes_by_forms(opened: Open, served: Served) -> None:
    page = opened("/projections", java_script_enabled=False)
    for act, opposite in (("Pause", "Resume"), ("Resume", "Pause")):
        page.locator("tr", has_text="sales").locator("a", has_text=act).click()
        page.locator("textarea").fill("a test")
        page.locator("input[type=checkbox]").check()
        page.locator("main button").click()
        page.locator("tr", has_text="sales").locator("a", has_text=opposite).wait_for()


def test_below_a_prefix_the_page_moves_too(opened: Open, shop: Path) -> None:
    with served_apart(f"sqlite:///{shop}", "/tools/studio", app=app) as below:
        page = opened("/events", url=below.url)
        position = shown(page)[4]
        page.locator(f"[data-position='{position}'] .data").click()
        page.wait_for_function("(at) => document.getElementById('panel').dataset.position == at", arg=str(position))
        page.locator(".panel .button").first.click()
        page.keyboard.press("ArrowLeft")
        page.wait_for_function("location.search.includes('at=')")
        page.close()  # before what it follows ends
