import { answer, data } from "/page/static.js";

// Helpers of all pages. Text from a run always goes through text nodes and is never parsed as HTML.

// h("p", {class: "muted", onclick: f}, "text", child, [children]): an element. `style` is an object.
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, each] of Object.entries(value)) element.style.setProperty(key, each);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// JSON from the server, or its error message. An exported file answers without a server.
export async function ask(path, parameters = {}, options = {}) {
  if (data) return answer(path, parameters);
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== undefined && value !== ""));
  const response = await fetch(`/api/${path}?${query}`, options);
  const found = await response.json();
  if (!response.ok) throw new Error(found.error || response.statusText);
  return found;
}

export function number(value, digits = 3) {
  if (value === null || value === undefined) return "";
  if (Number.isInteger(value)) return value.toLocaleString("en").replace("-", "\u2212");
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(2);
  return value.toFixed(size >= 100 ? 1 : digits).replace(/0+$/, "").replace(/\.$/, "").replace("-", "\u2212");
}

export const percent = (value) => (value === undefined || value === null ? "" : `${(100 * value).toFixed(1)} %`);
// "1 sample", "2 samples".
export const counted = (count, name) => `${count.toLocaleString("en")} ${name}${count === 1 ? "" : "s"}`;
export const seconds = (value) => `${number(value, 2)} s`;

// The end of an id is more informative than its beginning.
export const short = (text, most = 60) => (text.length > most ? `…${text.slice(-most + 1)}` : text);

export function notice(text, kind = "") {
  return h("p", { class: `notice ${kind}` }, text);
}

// A color between the page's blue (above the group's mean) and orange (below), stronger with distance.
export function advantageColor(value, largest) {
  if (value === undefined || value === null || !largest) return "var(--answer)";
  const share = Math.round(45 + (55 * Math.abs(value)) / largest);
  return `color-mix(in srgb, var(${value >= 0 ? "--up" : "--down"}) ${value === 0 ? 0 : share}%, var(--base))`;
}
