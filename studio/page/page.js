"use strict";
// Copying, unfolding and finding. Without this script the page shows the same.
const byId = (id) => document.getElementById(id);

const unfold = (element) => {
  for (let part = element; part; part = part.parentElement) {
    if (part.tagName === "DETAILS") part.open = true;
  }
};

const follow = () => {
  const target = byId(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  const inside = target.querySelector(":scope > details.step");
  if (inside) inside.open = true;
  unfold(target);
  target.scrollIntoView();
};

const copy = async (button) => {
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1200);
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.copy) copy(button);
  const open = button.getAttribute("aria-pressed") !== "true";
  if (button.hasAttribute("aria-pressed")) button.setAttribute("aria-pressed", String(open));
  if (button.dataset.full) byId(button.dataset.full).classList.toggle("full", open);
  if (button.dataset.folds) {
    for (const details of document.querySelectorAll("main details")) details.open = open;
  }
});

addEventListener("hashchange", follow);
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details.step, details.fold")) details.open = true;
});
follow();
