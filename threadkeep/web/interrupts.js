// What a graph asks a person, answered in place: approve, edit or reject actions, or any JSON where it asks otherwise.

import { button, el, labelled } from "./dom.js";
import { jsonTree } from "./json_tree.js";
import { notify, telling } from "./notices.js";

/** `answer(resume)` goes on with the answers by interrupt id. */
export function interruptPanel(answer) {
  const node = el("section", { class: "interrupts", "aria-label": "The agent asks", hidden: true });
  let shown = "";

  function update(interrupts, next) {
    const signature = JSON.stringify([interrupts.map((one) => one.id), interrupts.length ? [] : next]);
    if (signature === shown) return;
    shown = signature;
    node.hidden = !interrupts.length && !next.length;
    node.replaceChildren();
    if (node.hidden) return;
    node.append(interrupts.length ? form(interrupts) : stopped(next));
  }

  function form(interrupts) {
    const parts = interrupts.map((one) => (isReview(one.value) ? review(one) : question(one)));
    const submit = (event) => {
      event.preventDefault();
      try {
        const answers = Object.fromEntries(parts.map((part) => [part.id, part.read()]));
        telling(() => answer({ resume: answers }));
      } catch (error) {
        notify(error.message);
      }
    };
    return el(
      "form",
      { on: { submit } },
      parts.map((part) => part.node),
      el("button", { type: "submit", class: "primary" }, "Answer and go on"),
    );
  }

  function stopped(next) {
    const goOn = button("Go on", () => telling(() => answer(null)), { class: "primary" });
    return el("div", {}, el("p", {}, "The run stopped before ", el("code", {}, next.join(", ")), "."), goOn);
  }

  return { node, update };
}

function isReview(value) {
  return Array.isArray(value?.action_requests) && value.action_requests.length > 0;
}

function review({ id, value }) {
  const actions = value.action_requests.map((action, place) => decision(action, value.review_configs?.[place]));
  return {
    id,
    node: el(
      "div",
      {},
      actions.map((one) => one.node),
    ),
    read: () => ({ decisions: actions.map((one) => one.read()) }),
  };
}

let groups = 0;

function decision(action, config) {
  const allowed = config?.allowed_decisions ?? ["approve", "edit", "reject"];
  const group = `decision-${groups++}`;
  const args = el("textarea", {
    rows: Math.min(12, JSON.stringify(action.args, null, 2).split("\n").length),
    spellcheck: "false",
    value: JSON.stringify(action.args, null, 2),
  });
  const why = el("input", { type: "text", placeholder: "Why not, and what instead" });
  const [argsField, whyField] = [labelled("Arguments, as JSON", args), labelled("Reason", why)];
  const shown = jsonTree(action.args ?? {}, "arguments");
  let kind = allowed[0];
  const show = () => (
    (argsField.hidden = kind !== "edit"),
    (whyField.hidden = kind !== "reject"),
    (shown.hidden = kind === "edit")
  );
  const choices = allowed.map((name) => {
    const radio = el("input", {
      type: "radio",
      name: group,
      value: name,
      checked: name === kind,
      on: { change: () => ((kind = name), show()) },
    });
    return el("label", { class: "inline" }, radio, ` ${name[0].toUpperCase()}${name.slice(1)}`);
  });
  show();
  const node = el(
    "fieldset",
    {},
    el("legend", {}, el("code", {}, action.name)),
    action.description ? el("p", {}, action.description) : null,
    shown,
    el("div", { class: "choices" }, choices),
    argsField,
    whyField,
  );
  const read = () => {
    if (kind === "edit")
      return { type: "edit", edited_action: { name: action.name, args: parsed(args.value, action.name) } };
    if (kind === "reject") return { type: "reject", message: why.value || "Rejected." };
    return { type: kind };
  };
  return { node, read };
}

function parsed(text, name) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`The arguments of ${name} are no JSON (${error.message}). Correct them, then answer again.`);
  }
}

function question({ id, value }) {
  const field = el("textarea", { rows: 2 });
  const node = el(
    "fieldset",
    {},
    el("legend", {}, "Question"),
    typeof value === "string" ? el("p", {}, value) : jsonTree(value, "asks"),
    labelled("Answer: JSON, or text", field),
  );
  const read = () => {
    try {
      return JSON.parse(field.value);
    } catch {
      return field.value; // plain text is an answer too
    }
  };
  return { id, node, read };
}
