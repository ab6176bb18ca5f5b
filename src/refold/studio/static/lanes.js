// Swim lanes: what led to an event, and what it led to, is lit while the pointer or the focus is on it.
export function start() {
  const picture = document.querySelector("svg.lanes");
  if (!picture) return;
  const dark = () => {
    picture.classList.remove("lit");
    for (const each of picture.querySelectorAll(".lit")) each.classList.remove("lit");
  };
  const light = (spot) => {
    dark();
    const path = new Set(spot.dataset.path.split(" "));
    picture.classList.add("lit");
    for (const each of picture.querySelectorAll(".spot")) each.classList.toggle("lit", path.has(each.dataset.key));
    for (const each of picture.querySelectorAll(".edge")) each.classList.toggle("lit", path.has(each.dataset.from) && path.has(each.dataset.to));
  };
  for (const spot of picture.querySelectorAll(".spot")) {
    spot.addEventListener("pointerenter", () => light(spot));
    spot.addEventListener("focus", () => light(spot));
    spot.addEventListener("pointerleave", dark);
    spot.addEventListener("blur", dark);
  }
}
