// Everything that keys do: the palette, the sheet that lists them, going places, and the rows of a list.
// Without this file the search in the bar is a form like any other.

const home = document.body.dataset.stream.replace("/api/stream", "");
const palette = document.querySelector("#palette");
const field = palette.querySelector("input");
const list = palette.querySelector("#hits");
const sheet = document.querySelector("#keys");
let asked = 0;
let wait = 0;

// The palette.

function options() {
  return [...list.querySelectorAll("a")];
}

function mark(at) {
  const found = options();
  found.forEach((option, number) => option.setAttribute("aria-selected", String(number === at)));
  field.setAttribute("aria-activedescendant", found[at]?.id ?? "");
  found[at]?.scrollIntoView({ block: "nearest" });
}

function marked() {
  return options().findIndex((option) => option.getAttribute("aria-selected") === "true");
}

async function find() {
  const mine = ++asked;
  const answer = await fetch(`${home}/find?q=${encodeURIComponent(field.value)}`, { headers: { Accept: "text/html" } });
  if (!answer.ok || mine !== asked) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  list.replaceChildren(...page.querySelector("main #found").childNodes);
  options().forEach((option, number) => {
    option.parentElement.role = "presentation";
    Object.assign(option, { role: "option", id: `hit-${number}`, tabIndex: -1 });
  });
  mark(0);
}

function open() {
  field.value = "";
  palette.showModal();
  find().catch(() => {});
}

field.addEventListener("input", () => {
  clearTimeout(wait);
  wait = setTimeout(() => find().catch(() => {}), 120);
});
field.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const count = options().length;
  if (step && count) { event.preventDefault(); mark((marked() + step + count) % count); }
  if (event.key === "Enter") { event.preventDefault(); options()[marked()]?.click(); }
});
for (const dialog of [palette, sheet]) dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
document.querySelector("#find").addEventListener("focusin", (event) => {
  if (event.target.matches("input")) { event.target.blur(); open(); }
});

// Copying; over plain HTTP browsers have no clipboard to offer, and take what is selected.

for (const button of document.querySelectorAll("[data-copy]")) {
  const text = document.querySelector(button.dataset.copy);
  button.hidden = false;
  button.addEventListener("click", async () => {
    getSelection().selectAllChildren(text);
    if (navigator.clipboard) await navigator.clipboard.writeText(text.textContent);
    else document.execCommand("copy");
  });
}

// Rows: one of them is where the reader is, by its number, however often the list is drawn anew.

let row = -1;

function rows() {
  return [...document.querySelectorAll(".tr:not(.th), .items > li")].filter((one) => one.querySelector("a.title"));
}

function move(step) {
  const all = rows();
  if (!all.length) return;
  row = Math.min(all.length - 1, Math.max(0, row + step));
  all[row].querySelector("a.title").focus();
}

function press(name) {
  document.activeElement?.closest(".tr, li")?.querySelector(`[data-key="${name}"] button`)?.click();
}

// Going places.

const GO = { o: "/", t: "/tasks", r: "/runs", a: "/approvals", e: "/events", w: "/workers", s: "/settings" };
const DO = {
  n: () => location.assign(`${home}/tasks/new`),
  j: () => move(1),
  k: () => move(-1),
  r: () => press("run"),
  p: () => press("pause"),
  "?": () => sheet.showModal(),
};
let going = 0;
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); if (!palette.open) open(); return; }
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") { event.target.closest("form[data-preview]")?.requestSubmit(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog[open], .editor")) return;
  const place = Date.now() - going < 1500 && GO[event.key];
  going = event.key === "g" ? Date.now() : 0;
  if (place) location.assign(home + place);
  else if (event.key === "/") {
    const search = document.querySelector("main [type=search], main [name=q], main [name=topic]");
    if (search) { event.preventDefault(); search.focus(); }
  } else DO[event.key]?.();
});
