// All samples and answers: filter, sort, search, paging.
import { app, go, link, sourceNamed } from "/page/app.js";
import { ask, counted, h, notice, number, short } from "/page/dom.js";
import { distribution } from "/page/distribution.js";
import { data } from "/page/static.js";

const ROWS_SHOWN = 100;
const COLUMNS = {
  groups: ["sample", "task", "type", "step", "reward", "std", "iou", "correct", "unreadable", "truncated", "kept", "duplicates", "leaks", "question"],
  answers: ["sample", "step", "number", "reward", "advantage", "iou", "correct", "unreadable", "truncated", "tokens", "text"],
};
const TEXTS = new Set(["text", "question"]);
const SHARES = new Set(["correct", "unreadable", "truncated", "kept", "replaced"]);

export async function tablePage(state) {
  const source = sourceNamed(state.source);
  const table = state.table ?? "groups";
  const fields = source.fields[table];
  const search = h("input", {
    id: "search", type: "search", value: state.q ?? "", spellcheck: "false", autocomplete: "off",
    placeholder: "red circle  reward<0.5  task=numeric  -truncated=1  tag:hard", "aria-label": "Filter",
  });
  const problem = h("p", { class: "field-problem", role: "alert" });
  const count = h("span", { id: "count", class: "muted" });
  const body = h("div", { class: "scroll", id: "rows" });
  const chart = h("div", {});
  const pager = h("div", { class: "pager" });
  const view = { rows: [], total: null, selected: -1 };

  async function load() {
    const offset = Number(app.state.offset ?? 0);
    const asked = { source: state.source, table, q: app.state.q, sort: app.state.sort, offset, limit: ROWS_SHOWN, count: 1 };
    const found = await ask("rows", asked);
    problem.textContent = found.problem ?? "";
    if (found.problem) return;
    view.rows = found.rows;
    view.total = found.total;
    const of = data && data.all > data.rows.length ? ` of ${data.rows.length.toLocaleString("en")} in this file; the run has ${data.all.toLocaleString("en")}` : "";
    count.textContent = `${counted(view.total, source.kind === "samples" ? "sample" : table.slice(0, -1))}${of}`;
    view.selected = Math.min(view.selected, view.rows.length - 1);
    draw(offset);
  }

  function draw(offset) {
    const used = new Set(view.rows.flatMap((row) => Object.keys(row)));
    const extra = Object.keys(fields).filter((name) => fields[name] === "REAL" && used.has(name) && !COLUMNS[table].includes(name) && (app.state.cols ?? "").split(",").includes(name));
    const columns = [...COLUMNS[table].filter((name) => used.has(name)), ...extra];
    if (view.rows.some((row) => row.tags)) columns.splice(1, 0, "tags");
    const head = columns.map((name) => h("th", { scope: "col", class: TEXTS.has(name) ? "text" : null, "aria-sort": order(name) }, name in fields
      ? h("button", { type: "button", onclick: () => sort(name) }, name, arrow(name)) : name));
    const lines = view.rows.map((row, index) => line(row, index, columns, offset));
    body.replaceChildren(h("table", { class: "rows" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, lines)));
    if (!view.rows.length) body.append(notice(source.ready ? "No rows match the filter." : "Still loading …"));
    const to = Math.min(offset + ROWS_SHOWN, view.total);
    pager.replaceChildren(
      h("button", { type: "button", disabled: offset === 0, onclick: () => page(-1) }, "← ["),
      h("span", {}, view.total ? `${(offset + 1).toLocaleString("en")} to ${to.toLocaleString("en")}` : "none"),
      h("button", { type: "button", disabled: to >= view.total, onclick: () => page(1) }, "] →"));
  }

  function line(row, index, columns, offset) {
    const open = { view: "group", at: row.at, i: offset + index };
    const cells = columns.map((name) => {
      if (name === "sample") return h("td", { class: "name" }, link(open, { title: row.sample }, short(row.sample, 40)));
      if (name === "tags") return h("td", {}, row.tags?.map((tag) => h("span", { class: "tag" }, tag)));
      if (TEXTS.has(name)) return h("td", { class: "text", title: row[name] }, row[name]);
      if (SHARES.has(name)) return h("td", { class: "num" }, share(row[name], name));
      return h("td", { class: typeof row[name] === "number" ? "num" : "" }, typeof row[name] === "number" ? number(row[name]) : row[name]);
    });
    return h("tr", { "aria-selected": index === view.selected ? "true" : null, ondblclick: () => go(open) }, cells);
  }

  const share = (value, name) => value === undefined ? "" : value === 0 ? h("span", { class: "muted" }, "–")
    : h("span", { class: name === "correct" || name === "kept" ? "good" : "poor" }, value === 1 ? "✓" : `${Math.round(100 * value)} %`);
  const order = (name) => (app.state.sort === name ? "ascending" : app.state.sort === `-${name}` ? "descending" : null);
  const arrow = (name) => ({ ascending: " ↑", descending: " ↓" })[order(name)] ?? "";

  function sort(name) {
    const next = order(name) === "descending" ? name : order(name) === "ascending" ? "" : `-${name}`;
    go({ sort: next, offset: "" }, false);
    load();
  }

  function page(by) {
    const offset = Math.max(0, Number(app.state.offset ?? 0) + by * ROWS_SHOWN);
    if (offset >= view.total) return;
    go({ offset: offset || "" }, false);
    view.selected = -1;
    load();
  }

  function select(by) {
    view.selected = Math.max(0, Math.min(view.rows.length - 1, view.selected + by));
    draw(Number(app.state.offset ?? 0));
    body.querySelector("[aria-selected]")?.scrollIntoView({ block: "nearest" });
  }

  function open() {
    const row = view.rows[view.selected];
    if (row) go({ view: "group", at: row.at, i: Number(app.state.offset ?? 0) + view.selected });
  }

  let waiting;
  const filter = (query) => {
    search.value = query;
    go({ q: query, offset: "" }, false);
    load();
    picture();
  };
  search.oninput = () => { clearTimeout(waiting); waiting = setTimeout(() => filter(search.value), 200); };
  search.onkeydown = (event) => { if (event.key === "Enter") { search.blur(); select(1); } };

  const picture = () => data || distribution(chart, { source: state.source, table, fields, filter });
  const exported = () => { location.href = `/api/export?${new URLSearchParams({ source: state.source, table, q: app.state.q ?? "" })}`; };
  app.keys = {
    "/": () => { search.focus(); search.select(); }, j: () => select(1), k: () => select(-1), ArrowDown: () => select(1),
    ArrowUp: () => select(-1), Enter: open, "]": () => page(1), "[": () => page(-1), e: exported,
  };
  app.refresh = () => { load(); picture(); };
  const kinds = ["groups", "answers"].map((name) => link({ table: name, sort: "", offset: "" }, { "aria-current": name === table ? "true" : null }, name));
  const more = Object.keys(fields).filter((name) => fields[name] === "REAL" && !COLUMNS[table].includes(name));
  const columns = h("select", { "aria-label": "Add a column", onchange: (event) => {
    const chosen = new Set((app.state.cols ?? "").split(",").filter(Boolean));
    chosen.has(event.target.value) ? chosen.delete(event.target.value) : chosen.add(event.target.value);
    go({ cols: [...chosen].join(",") }, false);
    event.target.value = "";
    load();
  } }, h("option", { value: "" }, "+ column"), more.map((name) => h("option", { value: name }, name)));
  await load();
  picture();
  return h("section", {}, h("div", { class: "bar" }, search, h("span", { class: "switch" }, source.answers && !data ? kinds : null), columns, count,
    data ? null : h("button", { type: "button", onclick: exported, title: "Download these rows as samples.jsonl (e)" }, "Export")), problem, chart, body, pager);
}
