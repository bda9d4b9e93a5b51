// Pages without a server: an exported file contains the data and answers in place of the server.
const element = document.getElementById("data");
export const data = element ? JSON.parse(element.textContent) : null;

export function answer(path, asked) {
  if (path === "rows") return rows(asked);
  if (path === "group") return found(data.group[asked.at], "This group is not in the file.");
  if (path === "media" || path === "strip") return found(data[path][`${asked.at} ${asked.n}`], "This clip is not in the file.");
  if (path in data) return data[path];
  throw new Error(`An exported page cannot do this (${path}); use reeltune explore.`);
}

export function clip(part, asked) {
  return data.clips[data[part][`${asked.at} ${asked.n}`].clip];
}

function found(value, problem) {
  if (value === undefined) throw new Error(problem);
  return value;
}

// Words and simple comparisons only; the server supports the full filter language.
function rows({ q = "", sort = "", offset = 0, limit = 100 }) {
  const terms = q.match(/"[^"]*"|\S+/g) ?? [];
  const kept = data.rows.filter((row) => terms.every((term) => holds(row, term)));
  if (sort) {
    const name = sort.replace(/^-/, "");
    const way = sort.startsWith("-") ? -1 : 1;
    kept.sort((a, b) => (a[name] === undefined) - (b[name] === undefined) || way * (a[name] < b[name] ? -1 : a[name] > b[name] ? 1 : 0));
  }
  return { rows: kept.slice(Number(offset), Number(offset) + Number(limit)), total: kept.length };
}

function holds(row, term) {
  const match = term.match(/^([A-Za-z_][\w@./]*)(<=|>=|!=|<|>|=|:)(.*)$/);
  if (!match) {
    const word = term.replaceAll('"', "").toLowerCase();
    const texts = data.group[row.at].completions.map((each) => each.text);
    return [row.sample, row.question ?? "", ...texts].some((text) => text.toLowerCase().includes(word));
  }
  const [, name, op, given] = match;
  const text = given.replaceAll('"', "");
  const value = row[name];
  if (value === undefined) return text === "none";
  const wanted = typeof value === "number" ? Number(text) : text;
  return { "<": value < wanted, "<=": value <= wanted, ">": value > wanted, ">=": value >= wanted, "=": value === wanted, "!=": value !== wanted, ":": String(value).includes(text) }[op];
}
