// Rows of a table: one is chosen, by keys or by a click, and shown beside it where there is room.
import { elements, fetched, revealed, root } from "./fragments.js";

let asking = null;

const all = () => [...document.querySelectorAll("main .row")];
const chosen = () => document.querySelector("main .row.selected");
const panel = () => document.getElementById("panel");

function roomy() {
  return document.querySelector(".split") && panel()?.offsetParent;
}

async function show(row) {
  asking?.abort();
  asking = new AbortController();
  const position = row.dataset.position;
  try {
    const html = await fetched(`${root}/events/${position}?part=panel`, asking.signal);
    panel().replaceWith(elements(html));
    revealed(panel());
    const there = new URL(location.href);
    there.searchParams.set("selected", position);
    history.replaceState(null, "", there);
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}

function choose(row) {
  chosen()?.classList.remove("selected");
  row.classList.add("selected");
  row.scrollIntoView({ block: "nearest" });
  if (row.dataset.position && roomy()) show(row);
}

export function move(step) {
  const rows = all();
  if (!rows.length) return false;
  const at = rows.indexOf(chosen());
  choose(rows[Math.min(rows.length - 1, Math.max(0, at + step))]);
}

export function follow() {
  const link = chosen()?.querySelector("a");
  if (!link) return false;
  link.click();
}

export function start() {
  document.addEventListener("click", (event) => {
    const row = event.target.closest(".events .row");
    if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const link = event.target.closest("a");
    if (link && link !== row.querySelector(".num a")) return;
    if (roomy()) {
      event.preventDefault();
      choose(row);
    } else if (!link) {
      row.querySelector(".num a").click();
    }
  });
}
