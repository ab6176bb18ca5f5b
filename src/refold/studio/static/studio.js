// Moves fragments, keys and history; all that is shown comes from the server.
import { revealed, root, tell } from "./fragments.js";
import { open as openPalette } from "./palette.js";
import * as live from "./live.js";
import * as rows from "./rows.js";
import * as travel from "./travel.js";
import * as lanes from "./lanes.js";

revealed();
live.start();
rows.start();
travel.start();
lanes.start();

const help = document.getElementById("help");

function themed() {
  const html = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = html.dataset.theme || (dark ? "dark" : "light");
  html.dataset.theme = now === "dark" ? "light" : "dark";
  document.cookie = `refold-studio-theme=${html.dataset.theme}; path=${root}/; max-age=31536000; samesite=strict`;
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-theme-toggle]")) themed();
  if (event.target.closest("[data-help]")) help.showModal();
  if (event.target.closest("[data-copy-link]")) copy(location.href, "The link is copied.");
  const button = event.target.closest("[data-copy]");
  if (button) copy(button.closest("h3").nextElementSibling.innerText, "Copied.");
});

async function copy(text, told) {
  try {
    await navigator.clipboard.writeText(text);
    tell(told);
  } catch {
    tell("The browser does not allow it.");
  }
}

for (const form of document.querySelectorAll("[data-submits]")) {
  form.addEventListener("change", (event) => {
    if (event.target.matches("select")) form.requestSubmit();
  });
  // What is empty does not stand in the URL.
  form.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
  });
}

const keys = {
  "/": openPalette,
  "?": () => help.showModal(),
  j: () => rows.move(1),
  k: () => rows.move(-1),
  Enter: rows.follow,
  ArrowLeft: () => travel.step("back"),
  ArrowRight: () => travel.step("on"),
  " ": travel.play,
  l: live.toggle,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input, select, textarea")) return;
  if ((event.key === " " || event.key === "Enter") && event.target.closest("button, a, summary")) return;
  const act = keys[event.key];
  if (act && act() !== false) event.preventDefault();
});
