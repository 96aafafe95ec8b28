// Keeps the part of a page that moves up to date: the server tells which task or run has changed, and draws it anew.
// Without this file every page is whole; with it nobody has to look again.
import "./keys.js";

const live = document.querySelector("#live");
const address = document.body.dataset.stream;
const FIRST_POLL = 10_000;
let source = null;
let timer = 0;
let failures = 0;

async function refresh() {
  timer = 0;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = page.querySelector("#live");
  if (next) merge(live, next);
}

// What is the same stays as it is: focus, selection and scrolling are the reader's.
function merge(now, next) {
  if (now.isEqualNode(next)) return;
  if (now.nodeName !== next.nodeName || now.nodeType === Node.TEXT_NODE || now.contains(document.activeElement) && now.matches("form, input, textarea, select")) {
    if (!(now.nodeType === Node.ELEMENT_NODE && now.matches("form, input, textarea, select"))) now.replaceWith(next.cloneNode(true));
    return;
  }
  for (const { name } of [...now.attributes]) if (!next.hasAttribute(name) && name !== "open") now.removeAttribute(name);
  for (const { name, value } of [...next.attributes]) if (name !== "open" && now.getAttribute(name) !== value) now.setAttribute(name, value);
  const followed = now.matches(".lines") && now.scrollHeight - now.scrollTop - now.clientHeight < 24;
  const [mine, theirs] = [[...now.childNodes], [...next.childNodes]];
  theirs.forEach((child, at) => (mine[at] ? merge(mine[at], child) : now.append(child.cloneNode(true))));
  mine.slice(theirs.length).forEach((child) => child.remove());
  if (followed) now.scrollTop = now.scrollHeight;
}

function soon(delay = 120) {
  if (!timer) timer = setTimeout(() => refresh().catch(() => {}), delay);
}

function concerns(event) {
  const wanted = live.dataset.id;
  return !wanted || event.data.includes(wanted);
}

function listen() {
  source?.close();
  source = new EventSource(`${address}?topics=${encodeURIComponent(live.dataset.topics)}`);
  source.addEventListener("changed", (event) => concerns(event) && soon());
  // Whatever happened while nobody was listening is on the page after this.
  source.onopen = () => { failures = 0; soon(0); };
  source.onerror = () => {
    failures += 1;
    if (failures < 3) return;
    source.close();
    source = null;
    soon(FIRST_POLL);
    setTimeout(() => !document.hidden && listen(), FIRST_POLL);
  };
}

// No header tells the browser's time zone; once told, the server draws all times by it.
const { zone, zoneChosen } = document.documentElement.dataset;
const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
const told = `ordinaut_browser_zone=${here}`;
if (here && zoneChosen === undefined && zone !== here && !document.cookie.includes(told)) {
  document.cookie = `${told};path=/;max-age=31536000;samesite=lax`;
  if (live) soon(0); else if (document.querySelector("time")) location.reload();
}

if (live) {
  const lines = live.querySelector(".lines");
  if (lines) lines.scrollTop = lines.scrollHeight;
  listen();
  // What no event tells of, such as a process that has come, is looked for again and again.
  if (live.dataset.seconds) setInterval(() => document.hidden || soon(0), live.dataset.seconds * 1000);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { source?.close(); source = null; } else listen();
  });
}

// What narrows a list does so at once, where there are scripts.
for (const narrow of document.querySelectorAll("form.narrow")) narrow.addEventListener("change", () => narrow.requestSubmit());

// The editor is fetched where there is something to edit.
const written = document.querySelector("textarea[data-editor]");
if (written) import("./editor.js").then((editor) => editor.mount(written));

// The schedule, read by the server while it is being written.
const form = document.querySelector("form[data-preview]");
if (form) {
  let asked = 0;
  let wait = 0;
  const names = ["schedule_kind", "schedule_expr", "timezone"];
  form.addEventListener("input", (event) => {
    if (!names.includes(event.target.name)) return;
    clearTimeout(wait);
    wait = setTimeout(async () => {
      const mine = ++asked;
      const query = new URLSearchParams(names.map((name) => [name, form.elements[name].value]));
      const answer = await fetch(`${form.dataset.preview}?${query}`);
      if (!answer.ok || mine !== asked) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      form.querySelector("#preview").replaceWith(page.querySelector("#preview"));
    }, 200);
  });
}
