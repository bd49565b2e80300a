// Long-term memory: what the store holds, namespace by namespace, to see, edit and forget.

import { post, request } from "./api.js";
import { button, el, labelled, timeAgo } from "./dom.js";
import { notify, telling } from "./notices.js";
import { userMemory } from "./user_memory.js";

const PAGE = 100;

export function memoryPage() {
  const places = el("ul", { class: "plain" });
  const items = el("section", {});
  const node = el(
    "div",
    { class: "wide" },
    el("h1", {}, "Memory"),
    el(
      "p",
      { class: "hint" },
      "What agents remember beyond one thread. Users' preferences and notes lie under users / name.",
    ),
    userMemory(() => telling(async () => (items.replaceChildren(), await load()))),
    el("h2", {}, "Namespaces"),
    places,
    items,
  );
  let current = null;

  async function load() {
    const { namespaces } = await post("/store/namespaces", { limit: 1000 });
    const empty = el("li", {}, "Nothing is remembered yet. The shipped graphs remember for a run with a user_id.");
    places.replaceChildren(
      ...(namespaces.length
        ? namespaces.map((labels) =>
            el(
              "li",
              {},
              button(labels.map(readable).join(" / "), () => telling(() => open(labels)), {
                class: "quiet",
                "aria-pressed": String(same(labels, current)),
              }),
            ),
          )
        : [empty]),
    );
  }

  async function open(labels, limit = PAGE) {
    const { items: found } = await post("/store/items/search", { namespace_prefix: labels, limit });
    const own = found.filter((item) => same(item.namespace, labels));
    current = labels;
    await load();
    items.replaceChildren(
      el("h2", {}, labels.map(readable).join(" / ")),
      ...own.map(itemForm),
      ...(found.length === limit
        ? [button("More", () => telling(() => open(labels, limit + PAGE)), { class: "quiet" })]
        : []),
      ...(own.length ? [] : [el("p", {}, "Nothing is left here.")]),
    );
  }

  function itemForm(item) {
    const field = el("textarea", { rows: 3, spellcheck: "false", value: JSON.stringify(item.value, null, 2) });
    const save = async (event) => {
      event.preventDefault();
      let value;
      try {
        value = JSON.parse(field.value);
      } catch (error) {
        notify(`${item.key} is no JSON (${error.message}). Correct it, then save again.`);
        return;
      }
      await telling(async () => {
        await request("PUT", "/store/items", { namespace: item.namespace, key: item.key, value });
        notify(`Saved: ${item.key}.`, "good");
        await open(current);
      });
    };
    const forget = () =>
      telling(async () => {
        if (!confirm(`Forget ${item.key}? This cannot be undone.`)) return;
        await request("DELETE", "/store/items", { namespace: item.namespace, key: item.key });
        await open(current);
      });
    return el(
      "form",
      { class: "item", on: { submit: save } },
      labelled(item.key, field),
      el("p", { class: "hint" }, "changed ", timeAgo(item.updated_at)),
      el(
        "div",
        { class: "actions" },
        el("button", { type: "submit" }, "Save"),
        button("Forget", forget, { class: "danger" }),
      ),
    );
  }

  telling(load);
  return { node, close: () => {} };
}

function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

// User ids are percent-encoded, so that any id makes one label.
function readable(label) {
  try {
    return decodeURIComponent(label);
  } catch {
    return label;
  }
}
