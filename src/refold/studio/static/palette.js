// The palette: a few letters, and where they may lead.
import { elements, fetched, root } from "./fragments.js";

const dialog = document.getElementById("palette");
const input = dialog.querySelector("input");
const hits = dialog.querySelector(".hits");
let asking = null;

export function open() {
  dialog.showModal();
  input.select();
}

document.querySelector(".search input").addEventListener("focus", (event) => {
  event.target.blur();
  open();
});

function choose(step) {
  const all = [...hits.querySelectorAll(".hit")];
  if (!all.length) return;
  const at = all.findIndex((each) => each.classList.contains("on"));
  const next = all[(at + step + all.length) % all.length];
  mark(all, next);
  next.scrollIntoView({ block: "nearest" });
}

function mark(all, chosen) {
  for (const each of all) {
    each.classList.toggle("on", each === chosen);
    each.setAttribute("aria-selected", String(each === chosen));
  }
}

input.addEventListener("input", async () => {
  asking?.abort();
  asking = new AbortController();
  try {
    const html = await fetched(`${root}/search?part=hits&q=${encodeURIComponent(input.value)}`, asking.signal);
    hits.replaceChildren(elements(html));
    const all = [...hits.querySelectorAll(".hit")];
    mark(all, all[0]);
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
});

dialog.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") choose(1);
  else if (event.key === "ArrowUp") choose(-1);
  else if (event.key === "Enter") hits.querySelector(".hit.on")?.click();
  else return;
  event.preventDefault();
});

dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
