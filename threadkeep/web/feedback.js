// A thumb and a note, kept with a run.

import { request } from "./api.js";
import { button, el, labelled } from "./dom.js";
import { notify, telling } from "./notices.js";

/** The form for one run, filled with what was said of it. */
export function feedbackForm(path, given) {
  let thumb = given?.thumb ?? null;
  const note = el("textarea", { rows: 2, value: given?.note ?? "" });
  const thumbs = { up: "Good", down: "Bad" };
  const buttons = Object.entries(thumbs).map(([name, words]) =>
    button(words, () => ((thumb = thumb === name ? null : name), mark(), save()), { "data-thumb": name }),
  );
  const mark = () => buttons.forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.thumb === thumb)));
  const save = () =>
    telling(async () => {
      await request("PUT", `${path}/feedback`, { thumb, note: note.value.trim() || null });
      notify("Kept with the run.", "good");
    });
  mark();
  return el(
    "form",
    { class: "feedback", on: { submit: (event) => (event.preventDefault(), save()) } },
    el("div", { class: "actions", role: "group", "aria-label": "What you think of this run" }, buttons),
    labelled("Note", note),
    el("button", { type: "submit" }, "Save the note"),
  );
}
