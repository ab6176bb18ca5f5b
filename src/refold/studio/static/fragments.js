// HTML that our own server has rendered, and escaped, becomes elements here and nowhere else.
const policy = window.trustedTypes ? window.trustedTypes.createPolicy("studio", { createHTML: (html) => html }) : { createHTML: (html) => html };

export const root = document.body.dataset.root;

export function elements(html) {
  const template = document.createElement("template");
  template.innerHTML = policy.createHTML(html);
  return template.content;
}

export async function fetched(url, signal) {
  const answer = await fetch(url, { headers: { Accept: "text/html" }, signal, credentials: "same-origin" });
  return answer.text();
}

export function parsed(html) {
  return new DOMParser().parseFromString(policy.createHTML(html), "text/html");
}

export function revealed(within = document) {
  for (const each of within.querySelectorAll("[data-js]")) each.hidden = false;
}

export function tell(text) {
  document.querySelector(".told")?.remove();
  const box = document.createElement("div");
  box.className = "told";
  box.setAttribute("role", "status");
  box.textContent = text;
  document.body.append(box);
  setTimeout(() => box.remove(), 1600);
}
