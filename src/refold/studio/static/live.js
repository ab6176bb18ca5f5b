// Rows that come: one connection a tab, from the position that the page was rendered at, and none while the page is away.
import { elements, tell } from "./fragments.js";

const MOST = 500;
const button = document.querySelector("[data-live]");
const body = document.getElementById("rows");
let source = null;
let place = null;

function from(url) {
  const there = new URL(url, location.href);
  if (place !== null) there.searchParams.set("after", place);
  return there;
}

function connect() {
  source = new EventSource(from(button.dataset.live));
  source.addEventListener("rows", (event) => {
    place = event.lastEventId;
    document.querySelector("[data-head]").textContent = Number(place).toLocaleString("en").replaceAll(",", "\u202f");
    body.prepend(elements(event.data));
    document.querySelector(".list .empty")?.remove();
    while (body.rows.length > MOST) body.lastElementChild.remove();
  });
  source.addEventListener("problem", (event) => {
    tell(event.data);
    stop();
  });
  button.setAttribute("aria-pressed", "true");
}

function stop() {
  source?.close();
  source = null;
  button?.setAttribute("aria-pressed", "false");
}

export function toggle() {
  if (!button) return false;
  if (source) stop();
  else connect();
}

export function start() {
  if (!button) return;
  connect();
  button.addEventListener("click", toggle);
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => {
    if (event.persisted && source) connect();
  });
}
