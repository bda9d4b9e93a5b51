// Which page is shown. The address contains the complete view, so a colleague who opens it sees the same.
import { ask, h, notice } from "/page/dom.js";
import { comparePage } from "/page/compare.js";
import { evaluationPage } from "/page/evaluation.js";
import { groupPage } from "/page/group.js";
import { overviewPage } from "/page/overview.js";
import { data } from "/page/static.js";
import { tablePage } from "/page/table.js";

const PAGES = { overview: overviewPage, table: tablePage, group: groupPage, evaluation: evaluationPage, compare: comparePage };
const NAMES = { overview: "Overview", table: "Samples", evaluation: "Evaluation", ...(data ? {} : { compare: "Compare" }) };
const POLL = 2000;
const main = document.getElementById("main");
const HELP = [
  ["/", "search"], ["j k ↓ ↑", "next and previous row"], ["Enter", "open the selected row"], ["] [", "next and previous page of rows"],
  ["n p → ←", "next and previous group"], ["Space", "play or pause"], [". ,", "one frame forward or back"],
  ["1 … 9", "pin a completion"], ["t", "tags and notes"], ["e", "export the filtered samples"],
  ["Esc", "back to the table"], ["o s v c", "overview, samples, evaluation, compare"], ["?", "this help"],
];

export const app = { sources: [], state: {}, keys: {}, stop: null, refresh: null };

export function sourceNamed(name) {
  return app.sources.find((source) => source.name === name);
}

// The address of a state. An exported file without a server keeps it after the #.
function addressOf(state) {
  const query = new URLSearchParams(Object.entries(state).filter(([, value]) => value !== undefined && value !== ""));
  return data ? `#?${query}` : `/?${query}`;
}

// Change part of the state. `push` false: stay on the page and change only its details.
export function go(change, push = true) {
  const state = { ...app.state, ...change };
  history[push ? "pushState" : "replaceState"](null, "", addressOf(state));
  if (push) show();
  else app.state = state;
}

export function link(change, props, ...children) {
  const state = { ...app.state, ...change };
  const follow = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    go(change);
  };
  return h("a", { href: addressOf(state), onclick: follow, ...props }, ...children);
}

function readAddress() {
  const state = Object.fromEntries(new URLSearchParams(data ? location.hash.slice(1) : location.search));
  if (!sourceNamed(state.source)) state.source = app.sources[0]?.name;
  const kind = sourceNamed(state.source)?.kind;
  if (!PAGES[state.view]) state.view = kind === "run" ? "overview" : kind === "evaluation" || kind === "answers" ? "evaluation" : "table";
  return state;
}

let shown = 0;
export async function show() {
  app.state = readAddress();
  app.keys = {};
  app.refresh = null;
  app.stop?.();
  app.stop = null;
  const turn = ++shown;
  drawTop();
  try {
    const page = await PAGES[app.state.view](app.state);
    if (turn !== shown) return;
    main.replaceChildren(page);
    document.title = `${app.state.source ?? ""} · ${NAMES[app.state.view] ?? app.state.at ?? ""} · Reeltune`;
  } catch (error) {
    if (turn === shown) main.replaceChildren(notice(error.message, "bad"));
  }
  main.dataset.view = app.state.view;
  main.dataset.ready = String(turn);
}

function drawTop() {
  const select = document.getElementById("source");
  select.replaceChildren(...app.sources.map((source) => h("option", { value: source.name }, `${source.name} (${source.kind})`)));
  select.value = app.state.source;
  select.onchange = () => go({ source: select.value, view: "", at: "", i: "", q: "", sort: "", offset: "", step: "", field: "" });
  const views = Object.entries(NAMES).map(([view, name]) => {
    const current = view === app.state.view || (view === "table" && app.state.view === "group");
    return link({ view, at: "", i: "" }, { "aria-current": current ? "page" : null, "data-view": view }, name);
  });
  document.getElementById("views").replaceChildren(...views);
  drawState();
}

function drawState() {
  const source = sourceNamed(app.state.source);
  if (!source) return;
  const state = document.getElementById("state");
  const words = !source.ready ? `loading … ${source.groups.toLocaleString("en")} groups` : source.live ? "live" : "";
  state.textContent = words;
  state.className = source.live ? "live" : "";
  document.getElementById("problems").replaceChildren(...source.problems.slice(0, 5).map((text) => notice(text, "bad")), ...source.said.map((text) => notice(text)));
}

async function poll() {
  try {
    const before = sourceNamed(app.state.source);
    app.sources = await ask("sources");
    const now = sourceNamed(app.state.source);
    drawState();
    if (before && now && (before.generation !== now.generation || before.ready !== now.ready)) await app.refresh?.();
  } catch (error) {
    document.getElementById("state").textContent = `not connected (${error.message})`;
  }
  setTimeout(poll, POLL);
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input, textarea, select, dialog");
  if (event.key === "Escape" && typing) return event.target.blur();
  if (typing) return;
  const pages = { o: "overview", s: "table", v: "evaluation", c: "compare" };
  const action = app.keys[event.key] ?? (event.key === "?" ? help : pages[event.key] && (() => go({ view: pages[event.key], at: "", i: "" })));
  if (!action) return;
  event.preventDefault();
  action(event);
}

function help() {
  const dialog = document.getElementById("help");
  const rows = HELP.map(([keys, text]) => h("tr", {}, h("th", {}, keys), h("td", {}, text)));
  dialog.replaceChildren(h("h2", {}, "Keyboard shortcuts"), h("table", {}, rows), h("form", { method: "dialog" }, h("button", {}, "Close")));
  dialog.showModal();
}

document.getElementById("help-button").onclick = help;
addEventListener("popstate", show);
addEventListener("keydown", press);
app.sources = await ask("sources");
await show();
if (!data) setTimeout(poll, POLL);
