// Where a run is started: which assistant, and the message (or the input as JSON) it gets.

import { allAssistants, nameOf, takesMessages } from "./assistants_data.js";
import { button, el } from "./dom.js";
import { notify, telling } from "./notices.js";
import { humanMessage } from "./transcript.js";
import { userField } from "./user.js";

/**
 * `act.send(assistantId, input, checkpointId)`, `act.stop()` and, when a person chose one, `act.chosen(assistantId)`;
 * `update({busy, assistantId})` shows whether a run works, and which assistant the thread has.
 */
export function composer(act) {
  const assistant = el("select", { "aria-label": "Graph or assistant", on: { change: onChoice } });
  const asJson = el("input", { type: "checkbox", on: { change: () => shape() } });
  const text = el("textarea", { rows: 2, "aria-label": "Message", on: { keydown: onKey } });
  const send = el("button", { type: "submit", class: "primary" }, "Send");
  const stop = button("Stop", () => telling(act.stop), { class: "stop", hidden: true });
  const from = el("p", { class: "from", hidden: true });
  const node = el(
    "form",
    { class: "composer", on: { submit: onSubmit } },
    from,
    el("div", { class: "row" }, text, el("div", { class: "buttons" }, send, stop)),
    el("div", { class: "options" }, assistant, el("label", { class: "inline" }, asJson, " input as JSON"), userField()),
  );
  let checkpointId = null;
  let wanted = null;

  function onKey(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !asJson.checked) {
      event.preventDefault();
      node.requestSubmit();
    }
  }

  async function onSubmit(event) {
    event.preventDefault();
    const written = text.value;
    if (!written.trim()) return;
    const input = inputOf(written);
    if (input === undefined) return;
    text.value = "";
    try {
      await act.send(assistant.value, input, checkpointId);
      sendFrom(null);
    } catch (error) {
      text.value = text.value || written; // nothing that was written is lost
      notify(`This was not sent: ${error.message}`);
    }
  }

  function inputOf(written) {
    if (!asJson.checked) {
      return { messages: [humanMessage(written)] };
    }
    try {
      return JSON.parse(written);
    } catch (error) {
      notify(`The input is no JSON (${error.message}). Correct it, or untick “input as JSON”.`);
      return undefined;
    }
  }

  function onChoice() {
    act.chosen?.(assistant.value);
    telling(chosen);
  }

  async function chosen() {
    const asked = assistant.value;
    const messages = await takesMessages(asked);
    if (assistant.value !== asked) return; // another was chosen meanwhile, and may have been answered sooner
    asJson.checked = !messages;
    shape();
  }

  function shape() {
    text.setAttribute("aria-label", asJson.checked ? "Input as JSON" : "Message");
    text.placeholder = asJson.checked ? '{"messages": [...]}' : "Message (Enter sends, Shift+Enter breaks the line)";
  }

  async function load() {
    const found = await allAssistants();
    assistant.replaceChildren(...found.map((one) => el("option", { value: one.assistant_id }, nameOf(one))));
    if (wanted) assistant.value = wanted;
    if (!assistant.value && found.length) assistant.value = found[0].assistant_id;
    await chosen();
  }

  function sendFrom(id) {
    checkpointId = id;
    from.hidden = id === null;
    from.replaceChildren(
      "The next message goes on from checkpoint ",
      el("code", {}, id ?? ""),
      " ",
      button("Not from there", () => sendFrom(null), { class: "quiet" }),
    );
    if (id !== null) text.focus();
  }

  shape();
  telling(load);
  return {
    node,
    sendFrom,
    get assistantId() {
      return assistant.value || wanted;
    },
    focus: () => text.focus(),
    update({ busy, assistantId }) {
      stop.hidden = !busy;
      send.textContent = busy ? "Send after this run" : "Send";
      if (assistantId && assistantId !== wanted) {
        wanted = assistantId;
        if ([...assistant.options].some((option) => option.value === wanted)) {
          assistant.value = wanted;
          telling(chosen);
        }
      }
    },
  };
}
