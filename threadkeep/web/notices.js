// What went wrong, in words, where everyone finds it; and the form that asks for an API key.

import { button, el } from "./dom.js";
import { keepKey } from "./api.js";

/** Shows `message` until it is closed. */
export function notify(message, kind = "error") {
  const place = document.getElementById("notices");
  const same = [...place.children].find((one) => one.dataset.text === message);
  same?.remove();
  const notice = el("div", { class: `notice ${kind}`, "data-text": message }, el("p", {}, message));
  notice.append(button("Close", () => notice.remove(), { class: "quiet" }));
  place.append(notice);
}

/** Runs `work`, and tells when it fails; answers what `work` did, or undefined. */
export async function telling(work) {
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") notify(error.message);
    return undefined;
  }
}

/** Asks in a dialog; true once a key has been kept, false when the person would rather not. */
export function askForKey(refusal) {
  return new Promise((resolve) => {
    const field = el("input", { type: "password", autocomplete: "off", required: true, "aria-label": "API key" });
    const dialog = el(
      "dialog",
      { "aria-labelledby": "key-title" },
      el(
        "form",
        {
          on: {
            submit: (event) => {
              event.preventDefault();
              keepKey(field.value.trim());
              finish(true);
            },
          },
        },
        el("h2", { id: "key-title" }, "This server asks who you are"),
        refusal ? el("p", { class: "refusal" }, refusal) : null,
        el(
          "p",
          {},
          "Paste an API key (",
          el("code", {}, "python server.py keys new"),
          " makes one) or a token. It is kept in this tab only.",
        ),
        field,
        el(
          "div",
          { class: "actions" },
          el("button", { type: "submit", class: "primary" }, "Use this key"),
          button("Not now", () => finish(false)),
        ),
      ),
    );
    const finish = (answer) => {
      dialog.remove();
      resolve(answer);
    };
    dialog.addEventListener("cancel", () => finish(false));
    document.body.append(dialog);
    dialog.showModal();
  });
}
