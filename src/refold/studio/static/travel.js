// Time travel: the page of another version takes the place of this one; pages beside it are fetched ahead.
import { fetched, parsed, revealed } from "./fragments.js";

const EVERY = 900;
const ahead = new Map();
let playing = null;
let wanted = null;
let target = null; // the version that is on its way here: keys go on from it

const here = () => document.querySelector(".timeline");

function get(url) {
  if (!ahead.has(url)) {
    ahead.set(url, fetched(url));
    if (ahead.size > 40) ahead.delete(ahead.keys().next().value);
  }
  return ahead.get(url);
}

async function go(url, keep = true) {
  wanted = url;
  const html = await get(url);
  if (wanted !== url) return;
  target = null;
  const page = parsed(html);
  const main = page.querySelector("main.travel");
  if (!main) {
    location.href = url;
    return;
  }
  const scrolled = new Map([".state", ".history", ".diff"].map((each) => [each, document.querySelector(each)?.scrollTop]));
  document.querySelector("main").replaceChildren(...main.childNodes);
  for (const [each, top] of scrolled) if (document.querySelector(each)) document.querySelector(each).scrollTop = top;
  inSight();
  if (keep) history.replaceState(null, "", url);
  arranged();
}

// The version that is looked at, in its list; the page itself stays where it is.
function inSight() {
  const list = document.querySelector(".history");
  const now = list?.querySelector("[aria-current]")?.parentElement;
  if (!now) return;
  const top = now.offsetTop - list.offsetTop;
  if (top < list.scrollTop || top + now.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top - list.clientHeight / 2;
}

function arranged() {
  revealed();
  shown();
  for (const each of document.querySelectorAll("[data-step]")) get(each.href);
  const range = document.querySelector(".slide input[type=range]");
  range.addEventListener("input", () => {
    go(at(range.value));
  });
}

function shown() {
  const button = document.querySelector("[data-play]");
  button.setAttribute("aria-label", playing ? "Pause" : "Play");
  button.classList.toggle("playing", Boolean(playing));
  button.addEventListener("click", play);
}

function at(version) {
  const there = new URL(location.href);
  there.searchParams.set("at", version);
  return there.href;
}

export function step(direction) {
  if (!here()) return false;
  const { at: now, head } = here().dataset;
  const next = (target ?? Number(now)) + (direction === "on" ? 1 : -1);
  if (next < 0 || next > Number(head)) return;
  target = next;
  go(at(next));
}

export function play() {
  if (!here()) return false;
  if (playing) {
    clearInterval(playing);
    playing = null;
  } else {
    if (!here().querySelector("[data-step=on]")) go(at(0));
    playing = setInterval(() => (here().querySelector("[data-step=on]") ? step("on") : play()), EVERY);
  }
  const button = document.querySelector("[data-play]");
  button.setAttribute("aria-label", playing ? "Pause" : "Play");
}

export function start() {
  if (!here()) return;
  arranged();
  inSight();
  document.addEventListener("click", (event) => {
    const link = event.target.closest(".ticks a, .history a, .steps a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(link.href);
  });
}
