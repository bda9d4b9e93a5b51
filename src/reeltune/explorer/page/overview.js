// Overview of a run: what it learned, warnings, curves, settings.
import { app, link, sourceNamed } from "/page/app.js";
import { ask, counted, h, notice } from "/page/dom.js";
import { lineChart } from "/page/chart.js";

const CURVES = ["reward", "reward_std", "groups_without_signal", "completion_tokens", "truncated", "unparsed", "loss", "nll", "grad_norm", "kl", "lr"];

export async function overviewPage(state) {
  const place = h("section", { class: "overview" });
  const draw = async () => {
    const source = sourceNamed(state.source);
    const found = await ask("overview", { source: state.source });
    place.replaceChildren(...parts(source, found).flat().filter(Boolean));
  };
  app.refresh = draw;
  await draw();
  return place;
}

function parts(source, found) {
  if (source.kind === "samples") return samples(source, found.findings);
  const planned = found.planned === undefined || found.planned === null ? "" : ` of ${found.planned}`;
  const facts = [found.last_step === undefined ? null : `${found.last_step}${planned} steps`, counted(source.groups, "group"),
    source.answers ? counted(source.answers, "answer") : null, source.path].filter(Boolean);
  const learned = Object.keys(found.curves).filter((name) => name.startsWith("eval/") && /\/(miou|accuracy|mean_overlap|autodq\.f1|judged\.[^.]+)$/.test(name));
  const rest = Object.keys(found.curves).filter((name) => name.startsWith("eval/") && !learned.includes(name));
  const tasks = Object.keys(found.curves).filter((name) => name.includes("/") && !name.startsWith("eval/"));
  const chart = (name) => lineChart([{ name, points: found.curves[name] }], { title: name });
  const named = (names) => names.filter((name) => found.curves[name]).map(chart);
  return [
    h("h1", {}, found.headline || source.name), h("p", { class: "muted" }, facts.join(" · ")),
    found.warnings.slice(-5).map((row) => notice(`Step ${row.step}: ${row.warning}`, "bad")),
    found.warnings.length || !found.last_step ? null : h("p", { class: "muted" }, "No warnings."),
    source.kind === "selection" ? decisions(found.decisions) : h("p", {}, source.kind === "run" ? [link({ view: "table", q: "advantage=0", table: "groups" }, {}, "zero-variance groups"), " · "] : null,
      link({ view: "table", table: "answers", q: "unreadable=1" }, {}, "unreadable answers"), " · ",
      link({ view: "table", table: "answers", q: "truncated=1" }, {}, "truncated answers"), " · ",
      link({ view: "table", table: "groups", sort: "-std", q: "" }, {}, "highest variance first")),
    h("div", { class: "charts" }, named([...learned, ...CURVES])),
    tasks.length || rest.length ? h("details", {}, h("summary", {}, "By task and reward component"), h("div", { class: "charts" }, named([...rest, ...tasks]))) : null,
    found.quarantine?.length ? h("details", {}, h("summary", {}, `${found.quarantine.length} samples could not be used`), h("ul", {}, found.quarantine.map((row) => h("li", {}, row.reason)))) : null,
    settingsTable(found.settings),
  ];
}

// How a selection classified the samples.
function decisions(rows) {
  return rows.map((row) => h("p", {}, link({ view: "table", table: "groups", q: `reason="${row.reason}"` }, {}, row.reason), `: ${counted(row.n, "sample")}${row.kept || row.reason === "kept" ? "" : ", not selected"}`));
}

// Samples before training: results of the check, and links to the table.
function samples(source, findings) {
  const table = { view: "table", table: "groups" };
  return [
    h("h1", {}, source.name), h("p", { class: "muted" }, `${counted(source.groups, "sample")} · ${source.path}`),
    h("p", {}, link({ ...table, field: "span" }, {}, "span lengths"), " · ", link({ ...table, field: "start" }, {}, "span starts"), " · ",
      link({ ...table, q: "duplicates>0" }, {}, "duplicates"), " · ", link({ ...table, q: "leaks>0" }, {}, "media in two files")),
    findings.length ? null : h("p", {}, "The check found no problems."),
    findings.map((row) => h("details", { open: row.is_error }, h("summary", {}, `${row.is_error ? "error" : "warning"}: ${row.kind}: ${row.n}`), h("ul", {}, row.places.map((place) => h("li", {}, place))))),
  ];
}

function settingsTable(found) {
  const rows = Object.entries(found).filter(([, value]) => value !== null).map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, typeof value === "string" ? value : JSON.stringify(value))));
  return rows.length ? h("details", {}, h("summary", {}, "Settings"), h("table", { class: "settings" }, h("tbody", {}, rows))) : null;
}
