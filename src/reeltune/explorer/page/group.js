// One group: the sample with its media, the gold answer, the completions and their rewards.
import { app, go, link } from "/page/app.js";
import { advantageColor, ask, h, notice, number } from "/page/dom.js";
import { lineChart } from "/page/chart.js";
import { notes } from "/page/notes.js";
import { player } from "/page/player.js";

export async function groupPage(state) {
  const where = { source: state.source, at: state.at };
  const page = await ask("group", where);
  const group = page.group;
  const players = (page.media ?? []).map((_, n) => player(page, n, where));
  const main = players[0];
  const cards = page.completions.map((each, index) => completion(page, each, index, (value) => highlight(value), () => hold(index)));
  let held = null;

  function highlight(index) {
    const shown = index ?? held;
    for (const each of players) { each.mark?.(shown); each.overlay?.mark(shown); }
    cards.forEach((card, place) => card.classList.toggle("strong", shown === place));
  }
  function hold(index) {
    held = held === index ? null : index;
    cards.forEach((card, place) => card.setAttribute("aria-pressed", String(held === place)));
    highlight(null);
  }
  for (const each of players) each.highlight = highlight;

  async function turn(by) {
    const i = Number(state.i ?? -1) + by;
    if (state.i === undefined || i < 0) return;
    const found = await ask("rows", { source: state.source, table: state.table, q: state.q, sort: state.sort, offset: i, limit: 1 });
    if (found.rows.length) go({ at: found.rows[0].at, i });
  }
  const note = notes(page);
  app.stop = () => players.forEach((each) => each.stop());
  app.keys = {
    n: () => turn(1), p: () => turn(-1), ArrowRight: () => turn(1), ArrowLeft: () => turn(-1), " ": () => main?.toggle(),
    ".": () => main?.step(1), ",": () => main?.step(-1), Escape: () => go({ view: "table", at: "", i: "" }), t: () => note.focus(),
    ...Object.fromEntries(page.completions.slice(0, 9).map((_, index) => [String(index + 1), () => hold(index)])),
  };
  const flags = [
    group.advantage === 0 && group.answers > 1 && page.completions.length > 1 ? "zero variance: all rewards are equal" : null,
    group.replaced ? "replaced by another prompt" : null, group.kept === 0 ? `not selected: ${group.reason ?? ""}` : null,
    group.duplicates ? `same question asked ${group.duplicates + 1} times about this video` : null,
  ].filter(Boolean);
  const steps = h("span", { class: "turn" }, state.i === undefined ? null : [
    h("button", { type: "button", onclick: () => turn(-1), title: "previous (p)" }, "←"), h("button", { type: "button", onclick: () => turn(1), title: "next (n)" }, "→")]);
  return h("article", { class: "group" },
    h("header", { class: "bar" }, link({ view: "table", at: "", i: "" }, { title: "Esc" }, "← table"), h("h1", {}, group.sample), steps,
      h("span", { class: "muted" }, [group.task, group.type, group.part, group.step === undefined ? null : `step ${group.step}`].filter(Boolean).join(" · ")),
      flags.map((text) => h("span", { class: "badge" }, text))),
    page.problem ? notice(page.problem, "bad") : null,
    h("div", { class: "watch" },
      h("div", { class: "media" }, players.map((each) => each.element), players.length || page.problem ? null : notice("This sample has no video."), overSteps(page), note.element),
      h("div", { class: "asked" }, h("h2", {}, "Prompt"), h("pre", { class: "prompt" }, page.prompt ?? group.question ?? ""),
        page.truth ? [h("h2", {}, "Gold answer"), h("pre", { class: "gold" }, trueAnswer(page.truth))] : null,
        page.completions.length ? [h("h2", {}, page.completions.length === 1 ? "Answer" : `${page.completions.length} completions`), h("div", { class: "completions" }, cards)] : null)),
    page.fields ? h("details", {}, h("summary", {}, "Sample fields"), h("pre", {}, JSON.stringify(page.fields, null, 2))) : null);
}

function trueAnswer({ spans, text, gold }) {
  const told = [text, spans.map(([start, end]) => `${number(start, 2)} to ${number(end, 2)} s`).join(", ")].filter(Boolean);
  return told.length ? told.join(" · ") : gold;
}

function completion(page, each, index, highlight, hold) {
  const largest = Math.max(1e-9, ...page.completions.map((other) => Math.abs(other.values.advantage ?? 0)));
  const { reward, advantage, iou, correct, tokens, truncated, gold } = each.values;
  const facts = [];
  if (reward !== undefined) facts.push(["reward", number(reward)]);
  if (iou !== undefined) facts.push(["IoU", number(iou)]);
  if (correct !== undefined) facts.push(["right", correct ? "✓" : "✗"]);
  for (const [name, value] of Object.entries(each.components)) if (name !== "iou") facts.push([name, value === null ? "–" : number(value)]);
  if (tokens !== undefined) facts.push(["tokens", number(tokens)]);
  const remarks = [...each.findings, truncated ? "truncated at the length limit" : null, gold ? "the gold answer, not sampled" : null].filter(Boolean);
  return h("section", { class: "completion", tabindex: 0, role: "button", "aria-pressed": "false", "data-number": each.number,
    onmouseenter: () => highlight(index), onmouseleave: () => highlight(null), onclick: () => hold(index) },
    h("div", { class: "facts" }, h("b", { class: "number" }, each.number),
      advantage === undefined ? null : h("span", { class: "advantage", style: { background: advantageColor(advantage, largest) }, title: "advantage" }, `${advantage > 0 ? "+" : ""}${number(advantage, 2)}`),
      facts.map(([name, value]) => h("span", {}, `${name} `, h("b", {}, value)))),
    h("pre", {}, marked(each.text, each.marks)), verdicts(each.verdicts),
    each.drawn.text && page.truth && !each.text.includes(each.drawn.text) ? h("p", { class: "reading" }, `parsed as: ${each.drawn.text}`) : null,
    remarks.map((text) => h("p", { class: "remark" }, text)));
}

const MEANING = {
  stray: "outside the required format", unreadable: "no answer could be parsed from this", "said-entailment": "judge: the reference also states this",
  "said-neutral": "judge: the reference does not state this", "said-contradiction": "judge: the reference contradicts this",
};

// The text with thinking, answer and evidence marked, and within them format errors and the judge's verdicts.
function marked(text, marks) {
  const characters = [...text]; // the server counts code points, JavaScript UTF-16 units
  const cuts = [...new Set([0, characters.length, ...marks.flatMap((mark) => [mark.start, mark.end])])].sort((a, b) => a - b);
  return cuts.slice(1).map((end, place) => {
    const start = cuts[place];
    const piece = characters.slice(start, end).join("");
    const over = marks.filter((mark) => mark.start <= start && mark.end >= end).map((mark) => mark.kind);
    return over.length ? h("mark", { class: over.join(" "), title: over.map((kind) => MEANING[kind]).filter(Boolean).join("; ") || null }, piece) : piece;
  });
}

// The judge's verdicts: which events of the reference the answer mentions, and which of its own statements are right.
function verdicts(list) {
  if (!list?.length) return null;
  const part = (of, title, words) => {
    const own = list.filter((verdict) => verdict.of === of);
    if (!own.length) return null;
    const told = own.filter((verdict) => verdict.said === "entailment").length;
    const shown = of === "answer" ? own.filter((verdict) => !verdict.marked) : own;
    return [h("p", { class: "muted" }, `${title}: ${told} of ${own.length}`), shown.length ? h("ul", {}, shown.map((verdict) => h("li", { class: verdict.said },
      `${verdict.statement} `, h("em", {}, words[verdict.said]), verdict.score === undefined ? "" : ` (${number(verdict.score)} of 5)`))) : null];
  };
  return h("div", { class: "verdicts" }, part("reference", "Judge: events of the reference that the answer mentions", { entailment: "mentioned", neutral: "missed", contradiction: "contradicted" }),
    part("answer", "Judge: statements of the answer that are right", { entailment: "right", neutral: "not in the reference", contradiction: "wrong" }));
}

function overSteps(page) {
  const rows = page.history.filter((row) => row.at !== page.at);
  if (!rows.length) return null;
  const name = page.history.some((row) => row.iou !== undefined) ? "iou" : page.history.some((row) => row.reward !== undefined) ? "reward" : "correct";
  const lines = ["rollout", "evaluation"].map((part) => ({
    name: part, points: page.history.filter((row) => row.part === part && row[name] !== undefined && row.step !== undefined).map((row) => [row.step, row[name]]),
  })).filter((line) => line.points.length);
  const links = page.history.map((row) => link({ view: "group", at: row.at, i: "" }, { class: row.at === page.at ? "here" : "", title: `${row.part}, ${name} ${number(row[name] ?? 0)}` }, row.step === undefined ? row.part : row.part === "evaluation" ? `${row.step} eval` : `${row.step}`));
  return h("div", { class: "history" }, h("h2", {}, `This sample over training steps (${name === "iou" ? "IoU" : name})`), lines.some((line) => line.points.length > 1) ? lineChart(lines, { height: 120 }) : null, h("p", { class: "steps" }, links));
}
