// Two or more runs, steps or models on the same samples: different settings, wins and losses.
import { app, go, link, sourceNamed } from "/page/app.js";
import { ask, counted, h, notice, number, percent, short } from "/page/dom.js";
import { lineChart } from "/page/chart.js";

const OUTCOMES = { "01": "wins", "10": "losses", "11": "both right", "00": "both wrong" };

export async function comparePage(state) {
  const sides = (state.sides ?? "").split(",").filter(Boolean);
  if (!sides.length && state.source) sides.push(state.source);
  const place = h("div", {});
  const head = h("div", { class: "bar" }, h("h1", {}, "Compare"), sides.map((side, index) => h("span", { class: `side key line-${index % 6}` }, side,
    h("button", { type: "button", title: "Remove", onclick: () => go({ sides: sides.filter((_, other) => other !== index).join(","), pattern: "" }) }, "×"))), await adder(sides));
  const page = h("section", { class: "compare" }, head, place);
  if (sides.length < 2) {
    place.append(notice("Choose what to compare with: another run, another step of this run, or an evaluation."));
    return page;
  }
  const found = await ask("compare", { sides: sides.join(","), pattern: state.pattern });
  place.append(differentSettings(found), found.n ? outcome(found, state) : notice("They have no samples in common, so only settings and curves can be compared."),
    await curves(found), found.n ? list(found) : "");
  return page;
}

async function adder(sides) {
  const options = app.sources.filter((source) => source.kind !== "samples").map((source) => source.name);
  const steps = await Promise.all(options.filter((name) => sourceNamed(name).kind === "run").map(async (name) => {
    const found = await ask("evaluation", { source: name });
    return found.steps.filter((step) => step !== null).map((step) => `${name}@${step}`);
  }));
  const add = (event) => go({ view: "compare", sides: [...sides, event.target.value].join(","), pattern: "" });
  return h("select", { "aria-label": "Compare with", onchange: add }, h("option", { value: "" }, "+ run, step or evaluation"), [...options, ...steps.flat()].filter((name) => !sides.includes(name)).map((name) => h("option", { value: name }, name)));
}

const sideName = (side) => (side.step === null ? side.name : `${side.name}@${side.step}`);

function differentSettings(found) {
  if (!found.settings.length) return h("p", { class: "muted" }, "The settings are identical.");
  return h("div", { class: "scroll" }, h("table", { class: "settings" }, h("thead", {}, h("tr", {}, h("th", {}, "different settings"), found.sides.map((side) => h("th", {}, sideName(side))))),
    h("tbody", {}, found.settings.slice(0, 60).map((row) => h("tr", {}, h("th", { scope: "row" }, row.name), row.values.map((value) => h("td", {}, value === null ? "–" : typeof value === "string" ? value : JSON.stringify(value))))))));
}

function outcome(found, state) {
  const two = found.sides.length === 2;
  const order = two ? ["01", "10", "11", "00"] : Object.keys(found.patterns).sort();
  const tiles = order.map((pattern) => link({ pattern: state.pattern === pattern ? "" : pattern }, { class: "tile", "aria-current": state.pattern === pattern ? "true" : null, "data-pattern": pattern },
    h("b", {}, number(found.patterns[pattern] ?? 0)), h("span", {}, two ? OUTCOMES[pattern] : [...pattern].map((each) => (each === "1" ? "✓" : "✗")).join(" "))));
  const words = found.differences.map((each, index) => h("p", {}, `${sideName(found.sides[index + 1])} minus ${sideName(found.sides[0])}, mean score: `, h("b", {}, `${each.difference > 0 ? "+" : ""}${number(100 * each.difference, 1)} points`),
    ` (95 % ${number(100 * each.low, 1)} to ${number(100 * each.high, 1)}; ${percent(each.a)} and ${percent(each.b)} on ${counted(found.n, "common sample")})`));
  return h("div", {}, words, h("div", { class: "tiles" }, tiles));
}

async function curves(found) {
  const runs = [...new Set(found.sides.filter((side) => side.kind === "run").map((side) => side.name))];
  if (runs.length < 2) return "";
  const all = await Promise.all(runs.map((name) => ask("overview", { source: name })));
  const names = ["reward", "loss", "completion_tokens", ...Object.keys(all[0].curves).filter((name) => name.startsWith("eval/"))].filter((name) => all.every((each) => each.curves[name]));
  return h("div", { class: "charts" }, names.slice(0, 9).map((name) => lineChart(runs.map((run, index) => ({ name: run, points: all[index].curves[name] })), { title: name })));
}

function list(found) {
  const rows = found.rows.map((row) => h("tr", {}, h("th", { scope: "row", title: row.sample }, short(row.sample, 40)), h("td", { class: "name" }, row.type ?? row.task),
    row.scores.map((score, side) => h("td", {}, link({ view: "group", source: found.sides[side].name, at: row.at[side], i: "" }, { class: row.pattern[side] === "1" ? "good" : "poor" }, number(score, 2)))),
    h("td", {}, number(row.scores.at(-1) - row.scores[0], 2))));
  return h("div", { class: "scroll" }, h("table", { class: "sides" }, h("thead", {}, h("tr", {}, ["sample", "type", ...found.sides.map(sideName), "difference"].map((name) => h("th", {}, name)))), h("tbody", {}, rows)),
    found.rows.length === 300 ? h("p", { class: "muted" }, "Showing the 300 samples that differ most.") : null);
}
