// Lines over steps, as SVG. Colors come from the style sheet by number, so it handles light and dark mode.
import { h, number, svg } from "/page/dom.js";

const WIDTH = 420;
const LEFT = 56;
const BOTTOM = 18;

// `lines`: [{name, points: [[x, y]...]}]; names appear in the legend.
export function lineChart(lines, { title = "", height = 170 } = {}) {
  const points = lines.flatMap((line) => line.points);
  if (!points.length) return h("figure", { class: "chart" }, h("figcaption", {}, title), h("p", { class: "muted" }, "no values yet"));
  const [left, right] = range(points.map((point) => point[0]));
  const [low, high] = range(points.map((point) => point[1]));
  const x = (value) => LEFT + ((WIDTH - LEFT - 6) * (value - left)) / (right - left || 1);
  const y = (value) => height - BOTTOM - ((height - BOTTOM - 8) * (value - low)) / (high - low || 1);
  const grid = [low, (low + high) / 2, high].map((value) => [
    svg("line", { x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value), class: "grid" }),
    svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, number(value)),
  ]);
  const ends = [[left, "start"], [right, "end"]].map(([value, anchor]) => svg("text", { x: x(value), y: height - 2, "text-anchor": anchor }, number(value)));
  const drawn = lines.map((line, index) => line.points.length === 1
    ? svg("circle", { cx: x(line.points[0][0]), cy: y(line.points[0][1]), r: 3, class: `dot line-${index % 6}` })
    : svg("path", { d: line.points.map(([a, b], place) => `${place ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join(""), class: `line line-${index % 6}` }));
  const named = lines.length > 1 || lines[0].name !== title;
  const legend = lines.map((line, index) => h("span", { class: `key line-${index % 6}` }, named ? `${line.name} ` : "last ", h("b", {}, number(line.points.at(-1)?.[1]))));
  return h("figure", { class: "chart" }, title ? h("figcaption", {}, title) : null,
    svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": `${title} ${lines.map((line) => line.name).join(", ")}` }, grid, ends, drawn),
    h("div", { class: "legend" }, legend));
}

function range(values) {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  if (low !== high) return [low, high];
  return low === 0 ? [0, 1] : low > 0 ? [0, 2 * low] : [2 * low, 0]; // a single value: show it relative to 0
}
