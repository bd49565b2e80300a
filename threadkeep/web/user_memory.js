// What the shipped graphs remember of one user: to see in one place, to switch off, to forget as a whole.

import { get, request } from "./api.js";
import { button, el, labelled } from "./dom.js";
import { jsonTree } from "./json_tree.js";
import { telling } from "./notices.js";
import { asUser } from "./user.js";

/** The section; `changed()` is called when something was forgotten. */
export function userMemory(changed) {
  const named = el("input", { type: "text", required: true, value: asUser().config?.configurable.user_id ?? "" });
  const found = el("div", { "aria-live": "polite" });
  const look = (event) => {
    event?.preventDefault();
    return telling(show);
  };
  let user = null;

  async function show() {
    user = named.value.trim();
    const { on, ...kept } = await get(path());
    const nothing = Object.values(kept).every((items) => !Object.keys(items).length);
    found.replaceChildren(
      el("p", {}, on ? "Memory is on." : "Memory is off: nothing is read or kept."),
      el(
        "div",
        { class: "actions" },
        button(on ? "Switch off" : "Switch on", () => telling(() => turn(!on))),
        button("Forget everything", () => telling(forget), { class: "danger", disabled: nothing }),
      ),
      ...(nothing ? [el("p", {}, "Nothing is remembered.")] : []),
      ...Object.entries(kept).map(([kind, items]) => jsonTree(items, kind)),
    );
  }

  const path = () => `/users/${encodeURIComponent(user)}/memory`;

  async function turn(on) {
    await request("PUT", path(), { on });
    await show();
  }

  async function forget() {
    if (!confirm(`Forget all that is remembered of ${user}? This cannot be undone.`)) return;
    await request("DELETE", path());
    await show();
    changed();
  }

  return el(
    "section",
    { "aria-label": "Of one user" },
    el(
      "form",
      { class: "item", on: { submit: look } },
      labelled("User", named, "Whom a run is for, as user_id says."),
      el("div", { class: "actions" }, el("button", { type: "submit" }, "Show what is remembered")),
      found,
    ),
  );
}
