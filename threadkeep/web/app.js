// The page as a whole: which view the address names, the list of threads beside it, and the key it may need.

import { get, hasKey, keepKey, onKeyNeeded } from "./api.js";
import { assistantsPage } from "./assistants_page.js";
import { button, el } from "./dom.js";
import { memoryPage } from "./memory_page.js";
import { newPage } from "./new_page.js";
import { askForKey, notify } from "./notices.js";
import { threadPage } from "./thread_page.js";
import { ThreadList } from "./threads.js";

const content = document.getElementById("content");
const sections = document.getElementById("sections");
const list = new ThreadList(document.getElementById("threads"), (threads) => {
  const open = threads.find((thread) => thread.thread_id === openThread);
  if (open) page.noticed(open);
});
const app = { threadsChanged: () => list.load() };
let page = null;
let openThread = null;

function route() {
  const [section, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  drawSections(section);
  document.body.dataset.section = section === "t" ? "thread" : section || "list";
  if (section === "t" && rest[0]) showThread(rest[0], rest[1]);
  else if (section === "assistants") show(assistantsPage(rest[0]));
  else if (section === "memory") show(memoryPage());
  else show(newPage(started));
}

function show(next) {
  page?.close();
  page = next;
  openThread = null;
  document.title = "Threadkeep inspector";
  list.show(null);
  content.replaceChildren(page.node);
}

function showThread(threadId, panel) {
  if (openThread !== threadId) {
    show(threadPage(threadId, app));
    openThread = threadId;
    list.show(threadId);
  }
  page.show(panel ?? "chat");
}

async function started(threadId, assistantId, input) {
  history.pushState(null, "", `#/t/${threadId}`);
  route();
  await page.opened;
  await page.start(assistantId, input);
}

function drawSections(section) {
  const link = (href, words, here) => el("a", { href, "aria-current": here ? "page" : null }, words);
  const forget = button("Forget key", () => (keepKey(null), location.reload()), { class: "quiet" });
  sections.replaceChildren(
    link("#/", "Threads", section === "" || section === "t"),
    link("#/assistants", "Assistants", section === "assistants"),
    link("#/memory", "Memory", section === "memory"),
    ...(hasKey() ? [forget] : []),
  );
}

async function start() {
  onKeyNeeded(askForKey);
  addEventListener("hashchange", route);
  document.querySelector(".skip").addEventListener("click", (event) => (event.preventDefault(), content.focus()));
  try {
    const info = await get("/info");
    document.getElementById("model").textContent = info.model ? `Model: ${info.model}` : "";
  } catch (error) {
    notify(error.message);
  }
  await list.load(); // asks for a key first, if one is needed
  route();
}

start();
