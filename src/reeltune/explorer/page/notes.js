// Notes and tags of one sample, saved to a file next to the run when the field loses focus.
import { ask, h } from "/page/dom.js";
import { data } from "/page/static.js";

export function notes(page) {
  if (data) return { element: h("p", { class: "muted" }, page.notes.tags.join(", "), " ", page.notes.note), focus: () => {} };
  const tags = h("input", { value: page.notes.tags.join(", "), placeholder: "tags: hard, bad label", "aria-label": "Tags", id: "tags" });
  const note = h("textarea", { rows: 2, placeholder: "note", "aria-label": "Note" });
  note.value = page.notes.note;
  const state = h("span", { class: "muted", role: "status" });
  async function keep() {
    const given = { source: page.source, id: page.group.sample, tags: tags.value.split(","), note: note.value };
    try {
      await ask("notes", {}, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(given) });
      state.textContent = "saved";
    } catch (error) {
      state.textContent = error.message;
    }
  }
  tags.onchange = keep;
  note.onchange = keep;
  tags.onkeydown = (event) => { if (event.key === "Enter") tags.blur(); };
  return { element: h("div", { class: "notes" }, h("h2", {}, "Notes ", state), tags, note), focus: () => tags.focus() };
}
