// The distribution of a number under the current filter. Dragging over it adds the range to the filter.
import { app, go } from "/page/app.js";
import { ask, h, number, svg } from "/page/dom.js";

const SPREAD_WIDTH = 640;
const SPREAD_HEIGHT = 64;

export async function distribution(place, { source, table, fields, filter }) {
  const numbers = Object.keys(fields).filter((name) => fields[name] === "REAL" && !["line", "step", "number"].includes(name));
  const preferred = ["reward", "iou", "span", "duration", "correct"].find((name) => numbers.includes(name));
  const field = numbers.includes(app.state.field) ? app.state.field : preferred;
  if (!field) return place.replaceChildren();
  const choose = h("select", { "aria-label": "Distribution of", value: field, onchange: () => {
    go({ field: choose.value }, false);
    distribution(place, { source, table, fields, filter });
  } }, numbers.map((name) => h("option", { value: name, selected: name === field }, name)));
  choose.value = field;
  const found = await ask("histogram", { source, table, q: app.state.q, field });
  if (found.problem) return; // the filter is incomplete; the table shows the error
  const { low, high, counts, n } = found;
  const top = Math.max(1, ...counts);
  const step = SPREAD_WIDTH / Math.max(1, counts.length);
  const bars = counts.map((count, bin) => svg("rect", {
    x: bin * step + 0.5, width: Math.max(1, step - 1), y: SPREAD_HEIGHT - (SPREAD_HEIGHT * count) / top, height: (SPREAD_HEIGHT * count) / top, class: "bin",
  }, svg("title", {}, `${number(low + ((high - low) * bin) / counts.length)} and up: ${count.toLocaleString("en")}`)));
  const brush = svg("rect", { y: 0, height: SPREAD_HEIGHT, width: 0, class: "brush" });
  const picture = svg("svg", { viewBox: `0 0 ${SPREAD_WIDTH} ${SPREAD_HEIGHT}`, preserveAspectRatio: "none", class: "distribution", role: "img", "aria-label": `Distribution of ${field}` }, bars, brush);
  let from = null;
  const at = (event) => {
    const box = picture.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  };
  picture.onpointerdown = (event) => { from = at(event); picture.setPointerCapture(event.pointerId); };
  picture.onpointermove = (event) => {
    if (from === null) return;
    const to = at(event);
    brush.setAttribute("x", SPREAD_WIDTH * Math.min(from, to));
    brush.setAttribute("width", SPREAD_WIDTH * Math.abs(to - from));
  };
  picture.onpointerup = (event) => {
    // Whole bins, including both edges.
    const [first, last] = [from, at(event)].sort((a, b) => a - b).map((share) => share * counts.length);
    const edge = (bin) => (bin <= 0 ? low : bin >= counts.length ? high : Number((low + ((high - low) * bin) / counts.length).toPrecision(6)));
    const ends = [edge(Math.floor(first)), edge(Math.ceil(last))];
    from = null;
    const others = (app.state.q ?? "").split(/\s+/).filter((term) => term && !term.startsWith(`${field}:`));
    filter([...others, `${field}:${ends[0]}..${ends[1]}`].join(" ").trim());
  };
  place.replaceChildren(h("figure", { class: "spread" }, h("figcaption", {}, choose, ` of ${n.toLocaleString("en")}; drag to filter by a range`),
    picture, h("div", { class: "ends" }, h("span", {}, number(low)), h("span", {}, number(high)))));
}
