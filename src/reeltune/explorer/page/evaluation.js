// An evaluation in detail: by type and source, worst first, next to baselines that ignore the video, with a confusion table.
import { app, go, link } from "/page/app.js";
import { ask, counted, h, notice, number, percent, short } from "/page/dom.js";

export async function evaluationPage(state) {
  const found = await ask("evaluation", { source: state.source, step: state.step });
  app.refresh = async () => {};
  if (!found.tasks.length) return notice("It contains no evaluation.");
  const only = found.step === null || found.step === undefined ? "" : ` step=${found.step}`;
  const choose = found.steps.length > 1 ? h("label", {}, "step ", h("select", { onchange: (event) => go({ step: event.target.value }) },
    found.steps.map((step) => h("option", { value: step, selected: step === found.step }, String(step))))) : null;
  return h("section", { class: "evaluation" }, h("div", { class: "bar" }, h("h1", {}, "Evaluation"), choose), found.tasks.map((task) => part(task, only)));
}

const rowsOf = (q, sort) => ({ view: "table", table: "groups", q, sort, offset: "", at: "", i: "" });

function part(task, only) {
  const q = `part=evaluation task=${task.task}${only}`;
  const { all } = task;
  const worst = all.iou === undefined ? "correct" : "iou";
  return h("section", { "data-task": task.task }, h("h2", {}, task.task.replaceAll("_", " ")),
    h("p", {}, `${counted(all.n, "sample")} · right `, h("b", {}, percent(all.correct)), all.iou === undefined ? "" : [" · IoU ", h("b", {}, percent(all.iou))],
      ` · unreadable ${percent(all.unreadable) || "?"}`, all.truncated ? ` · truncated ${percent(all.truncated)}` : ""),
    h("p", {}, link(rowsOf(q, worst), {}, "worst first"), " · ", link(rowsOf(`${q} unreadable=1`, ""), {}, "unreadable only"), " · ", link(rowsOf(`${q} correct=0`, ""), {}, "wrong")),
    baselines(task), table("type", task, q), task.sources.length > 1 ? table("source", task, q) : null, confusion(task));
}

function table(field, task, q) {
  const list = field === "type" ? task.types : task.sources;
  if (!list.length) return null;
  const metrics = ["correct", "iou", "unreadable", ...task.metrics].filter((name, place, all) => all.indexOf(name) === place && task.all[name] !== undefined);
  return h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, `by ${field}, worst first`), h("th", {}, "n"), metrics.map((name) => h("th", {}, name)))),
    h("tbody", {}, list.map((row) => h("tr", {}, h("th", { scope: "row" }, link(rowsOf(`${q} ${field}="${row.name.replaceAll('"', "")}"`, "correct"), { title: row.name }, short(row.name, 40))), h("td", {}, row.n),
      metrics.map((name) => h("td", { class: "meter", style: { "--share": `${100 * (row[name] ?? 0)}%` } }, percent(row[name]))))))));
}

function baselines(task) {
  if (!task.baselines.length) return null;
  return h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["baseline without the video", "baseline score", "model score", "model better on", "equal on", "model worse on"].map((name) => h("th", {}, name)))),
    h("tbody", {}, task.baselines.map((row) => h("tr", {}, h("th", { scope: "row" }, row.name.replaceAll("_", " ")), h("td", {}, percent(row.score)), h("td", {}, h("b", {}, percent(row.ours))),
      h("td", { class: "good" }, number(row.better)), h("td", {}, number(row.equal)), h("td", { class: row.worse > row.better ? "poor" : "" }, number(row.worse)))))),
    h("p", { class: "muted" }, "The baselines are fitted on these same samples, which favors them."));
}

function confusion(task) {
  const found = task.confusion;
  if (!found || !found.names.length) return null;
  const top = Math.max(1, ...found.counts.flat());
  const shade = (value, right) => ({ background: value ? `color-mix(in srgb, var(${right ? "--truth" : "--bad"}) ${Math.round((60 * value) / top)}%, transparent)` : "" });
  return h("div", { class: "scroll" }, h("table", { class: "confusion" }, h("thead", {}, h("tr", {}, h("th", {}, "true ↓ predicted →"), found.names.map((name) => h("th", {}, name)), h("th", {}, "unreadable"))),
    h("tbody", {}, found.names.map((truth, row) => h("tr", {}, h("th", { scope: "row" }, truth),
      found.counts[row].map((value, column) => h("td", { style: shade(value, row === column) }, value || "")), h("td", {}, found.unread[row] || ""))))));
}
