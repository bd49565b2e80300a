// For whom runs are started: graphs remember things by user. Where people log in, the server knows better.

import { el } from "./dom.js";

const USER = "threadkeep.user";

/** What a run's body says of the user; nothing when none was named. */
export function asUser() {
  const user = sessionStorage.getItem(USER);
  return user ? { config: { configurable: { user_id: user } } } : {};
}

export function userField() {
  const keep = (event) => sessionStorage.setItem(USER, event.target.value.trim());
  const field = el("input", { type: "text", size: 10, value: sessionStorage.getItem(USER) ?? "", on: { input: keep } });
  return el("label", { class: "inline" }, "for user ", field);
}
