"""The pictures of the Studio in the documentation: a day in the shop, looked at by a browser.

python -m tests.studio.pictures            writes docs/pictures/*.png anew
python -m tests.studio.pictures --all DIR  writes every page, wide and narrow, dark and light, there
"""

from __future__ import annotations

import base64
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import sync_playwright
from tests.studio.demo import app, fill
from tests.studio.serving import served_apart

from refold import RawEvent, Store
from refold.demo.day import Day

PLACE: Final = Path(__file__).parents[2] / "docs" / "pictures"
WIDE: Final = 1440, 900
NARROW: Final = 390, 844
PAGES: Final = {
    "overview": "/", "events": "/events", "time-travel": "/streams/order-1042?at=7&base=2", "trace": "/traces/{story}",
    "projections": "/projections", "dead-letters": "/dead-letters", "processes": "/processes",
    "instance": "/processes/fulfilment/1042", "catalogue": "/catalogue", "command": "/commands/order.add-line?id=1042",
    "traces": "/traces", "streams": "/streams", "event": "/events/300", "palette": "/events",
    "what-if": "/streams/order-1042/whatif?drop=3",
    "model": "/model", "review": "/review", "rule": "/review/ES001", "statistics": "/statistics", "audit": "/audit",
}  # fmt: skip
SHOWN: Final = (
    ("overview", "light", WIDE), ("events", "dark", WIDE), ("events", "light", NARROW), ("time-travel", "light", WIDE),
    ("time-travel", "dark", NARROW), ("trace", "light", WIDE), ("projections", "dark", WIDE), ("palette", "light", WIDE),
)  # fmt: skip
"""Those of the documentation."""

_PALETTE: Final = """async (png) => {
  const bytes = Uint8Array.from(atob(png), (each) => each.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
  const counts = new Map();
  for (const each of pixels) counts.set(each, (counts.get(each) ?? 0) + 1);
  const often = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
  const palette = often.slice(0, 160), rest = often.slice(160, 4000);
  const parts = (colour) => [colour & 255, (colour >> 8) & 255, (colour >> 16) & 255];
  const away = (a, b) => a.reduce((sum, each, at) => sum + (each - b[at]) ** 2, 0);
  const far = rest.map((colour) => Math.min(...palette.map((each) => away(parts(each), parts(colour)))));
  while (palette.length < 256 && rest.length) {
    const at = far.indexOf(Math.max(...far));
    const chosen = parts(rest[at]);
    palette.push(rest[at]);
    rest.forEach((colour, index) => (far[index] = Math.min(far[index], away(parts(colour), chosen))));
  }
  const known = palette.map(parts);
  const nearest = (colour) => {
    const own = parts(colour);
    let best = 0, least = Infinity;
    known.forEach((each, at) => {
      const far = away(own, each);
      if (far < least) [best, least] = [at, far];
    });
    return best;
  };
  const found = new Map([...counts.keys()].map((colour) => [colour, nearest(colour)]));
  let text = "";
  for (const each of pixels) text += String.fromCharCode(found.get(each));
  return [image.width, image.height, known.flat(), btoa(text)];
}"""
"""256 colours, those that are used most and those that are farthest from them, and for each pixel the nearest."""


def main() -> int:
    """Take them."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("there is no chromium: apt-get install chromium", file=sys.stderr)
        return 2
    everything = sys.argv[1:2] == ["--all"]
    place = Path(sys.argv[2]) if everything else PLACE
    wanted = (
        [(name, theme, size) for name in PAGES for theme in ("light", "dark") for size in (WIDE, NARROW)]
        if everything
        else SHOWN
    )
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        url, story = _filled(Path(scratch))
        with served_apart(url, app=app, name="sqlite · shop.db") as served, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for name, theme, size in wanted:
                target = place / f"{name}-{theme}{'-narrow' if size == NARROW else ''}.png"
                target.write_bytes(_taken(browser, served.url, story, name, theme, size))
                print(f"{target} {target.stat().st_size // 1000} kB")
            browser.close()
    return 0


def _filled(scratch: Path) -> tuple[str, str]:
    """A store, and the story of an order that was not paid."""
    day, url = Day(), f"sqlite:///{scratch}/shop.db"
    with Store.open(f"{url}?durability=best-effort", events=[RawEvent], clock=day.clock) as store:
        fill(store, day)
        cancelled = [event for event in store.read(category="order") if event.type == "order.cancelled"]
        stories = [event.metadata.correlation_id for event in cancelled]
        return url, max(stories, key=lambda story: _told(store, story))


def _told(store: Store, story: str) -> tuple[bool, int]:
    """How much of a story there is to see: at best no voucher, and many streams."""
    names = {event.stream for event in store.read(correlation_id=story) if not event.stream.category.startswith("$")}
    return not any(name.category == "voucher" for name in names), len(names)


def _taken(browser: Any, url: str, story: str, name: str, theme: str, size: tuple[int, int]) -> bytes:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=theme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(url + PAGES[name].replace("{story}", story))
    page.wait_for_load_state("load")
    if name == "trace" and size == WIDE:
        page.locator(".spot").last.hover()
    if name == "palette":
        page.keyboard.press("/")
        page.keyboard.type("order-10")
        page.locator(".hit").nth(3).wait_for()
        for _ in range(2):
            page.keyboard.press("ArrowDown")
    png = page.screenshot()
    blank = context.new_page()
    width, height, colours, pixels = blank.evaluate(_PALETTE, base64.b64encode(png).decode())
    context.close()
    return b"".join(_png(width, height, bytes(colours), base64.b64decode(pixels)))


def _png(width: int, height: int, colours: bytes, pixels: bytes) -> Iterator[bytes]:
    """A PNG with a palette."""
    rows = b"".join(b"\0" + pixels[at : at + width] for at in range(0, width * height, width))
    yield b"\x89PNG\r\n\x1a\n"
    yield _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
    yield _chunk(b"PLTE", colours)
    yield _chunk(b"IDAT", zlib.compress(rows, 9))
    yield _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


if __name__ == "__main__":
    sys.exit(main())
