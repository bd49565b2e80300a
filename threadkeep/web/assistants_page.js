// Assistants: a graph with settings under a name. Each save is a version; any version can be made the latest again.

import { post, request } from "./api.js";
import { allAssistants, isSystem, nameOf, schemasOf } from "./assistants_data.js";
import { button, el, labelled, timeAgo } from "./dom.js";
import { notify, telling } from "./notices.js";
import { schemaForm } from "./schema_form.js";

export function assistantsPage(chosenId) {
  const list = el("ul", { class: "plain" });
  const place = el("section", { class: "editor" });
  const node = el(
    "div",
    { class: "wide" },
    el("h1", {}, "Assistants"),
    el("p", { class: "hint" }, "An assistant is a graph with settings of its own."),
    list,
    place,
  );
  let found = [];

  async function load() {
    found = await allAssistants();
    list.replaceChildren(
      ...found.map((one) =>
        el(
          "li",
          {},
          el(
            "a",
            { href: `#/assistants/${one.assistant_id}`, "aria-current": one.assistant_id === chosenId ? "page" : null },
            nameOf(one),
          ),
          ` · version ${one.version}`,
        ),
      ),
      el(
        "li",
        {},
        el("a", { href: "#/assistants/new", "aria-current": chosenId === "new" ? "page" : null }, "New assistant"),
      ),
    );
    const chosen = found.find((one) => one.assistant_id === chosenId);
    if (chosenId === "new") await edit(null, found.filter(isSystem)[0] ?? found[0]);
    else if (chosen) await edit(chosen, chosen);
    else if (chosenId) notify("There is no such assistant any more.");
  }

  async function edit(assistant, like) {
    const { context_schema: context, config_schema: config } = await schemasOf(like.assistant_id);
    const name = el("input", { type: "text", required: true, value: assistant?.name ?? "" });
    const form = schemaForm(context ?? config, assistant?.context ?? {});
    const graph = el(
      "select",
      {
        on: {
          change: () =>
            telling(() =>
              edit(
                null,
                found.find((one) => one.assistant_id === graph.value),
              ),
            ),
        },
      },
      found.filter(isSystem).map((one) => el("option", { value: one.assistant_id }, one.graph_id)),
    );
    graph.value = like.assistant_id;
    const save = async (event) => {
      event.preventDefault();
      await telling(async () => {
        const body = { name: name.value, context: form.read() };
        const saved = assistant
          ? await request("PATCH", `/assistants/${assistant.assistant_id}`, body)
          : await post("/assistants", { ...body, graph_id: like.graph_id });
        notify(`Saved as version ${saved.version}.`, "good");
        if (assistant) await load();
        else location.hash = `#/assistants/${saved.assistant_id}`;
      });
    };
    place.replaceChildren(
      el("h2", {}, assistant ? nameOf(assistant) : "New assistant"),
      el(
        "form",
        { on: { submit: save } },
        assistant ? null : labelled("Graph", graph),
        labelled("Name", name),
        form.node,
        el(
          "div",
          { class: "actions" },
          el("button", { type: "submit", class: "primary" }, assistant ? "Save as a new version" : "Create"),
          assistant && !isSystem(assistant) ? button("Delete", () => remove(assistant), { class: "danger" }) : null,
        ),
      ),
    );
    if (assistant) place.append(await versionsOf(assistant));
  }

  async function versionsOf(assistant) {
    const versions = await post(`/assistants/${assistant.assistant_id}/versions`, { limit: 100 });
    const restore = (version) =>
      telling(async () => {
        await post(`/assistants/${assistant.assistant_id}/latest`, { version });
        notify(`Version ${version} is in use.`, "good");
        await load();
      });
    return el(
      "section",
      {},
      el("h3", {}, "Versions"),
      el(
        "ul",
        { class: "plain" },
        versions.map((one) =>
          el(
            "li",
            {},
            `Version ${one.version} · `,
            timeAgo(one.created_at),
            ` · ${one.name} · `,
            el("code", {}, JSON.stringify(one.context ?? {})),
            " ",
            one.version === assistant.version
              ? "in use"
              : button("Use this", () => restore(one.version), { class: "quiet" }),
          ),
        ),
      ),
    );
  }

  function remove(assistant) {
    if (!confirm(`Delete the assistant ${assistant.name}? Its threads stay.`)) return;
    telling(async () => {
      await request("DELETE", `/assistants/${assistant.assistant_id}`);
      location.hash = "#/assistants";
    });
  }

  telling(load);
  return { node, close: () => {} };
}
