// The server's public API by plain fetch: one function for answers, one for streams, one kind of error.

/** Where the API is: this page stands at `<base>/inspect`. */
export const BASE = location.pathname.replace(/\/inspect\/?$/, "");
const KEY = "threadkeep.key";

/** What the server said no with, in its own words; `status` is 0 when it could not be reached. */
export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

let askForKey = async () => false;
let asking = null;

/** `ask` shows the form for the API key and answers true once there is one to try. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

export function keepKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

export function hasKey() {
  return sessionStorage.getItem(KEY) !== null;
}

function credentials() {
  const key = sessionStorage.getItem(KEY);
  if (!key) return {};
  // A JWT has three parts; an API key has none.
  return key.split(".").length === 3 ? { authorization: `Bearer ${key}` } : { "x-api-key": key };
}

/** The raw answer, once it is a good one; asks for a key as long as the server wants another. */
export async function call(method, path, { body, headers = {}, signal } = {}) {
  for (;;) {
    let answer;
    try {
      answer = await fetch(BASE + path, {
        method,
        signal,
        cache: "no-store",
        credentials: "same-origin",
        headers: {
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...credentials(),
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError("The server cannot be reached. See whether it is running, then try again.", 0);
    }
    if (answer.ok) return answer;
    const refused = new ApiError(await reasonOf(answer), answer.status);
    if (answer.status !== 401) throw refused;
    asking ??= askForKey(hasKey() ? refused.message : "").finally(() => (asking = null));
    if (!(await asking)) throw refused;
  }
}

/** The JSON of an answer; null when it has no body. */
export async function request(method, path, body, options = {}) {
  const answer = await call(method, path, { body, ...options });
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

export const get = (path) => request("GET", path);
export const post = (path, body = {}, options = {}) => request("POST", path, body, options);

/** Does `work` again, a little later, when the server could not be reached: for what may safely be asked twice. */
export async function persistently(work, pauses = [300, 900]) {
  for (const milliseconds of pauses) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 0)) throw error;
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
    }
  }
  return work();
}

async function reasonOf(answer) {
  const text = await answer.text();
  try {
    const { detail } = JSON.parse(text);
    if (typeof detail === "string") return detail;
    if (Array.isArray(detail)) {
      return detail.map((one) => `${(one.loc ?? []).slice(1).join(".")}: ${one.msg}`).join("; ");
    }
  } catch {
    // Not ours: a proxy in between, for one.
  }
  return `The server answered ${answer.status}${answer.statusText ? ` (${answer.statusText})` : ""}.`;
}
