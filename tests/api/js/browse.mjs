// `node browse.mjs PAGE URL FOLDER`: shows a browser the bundled page, on an origin of its own, and waits for its outcome.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const [page, api, folder] = process.argv.slice(2);

const server = createServer((request, response) => {
  if (request.method === "POST") {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const outcome = Buffer.concat(parts).toString();
      if (outcome !== "held") console.error(outcome);
      browser.kill("SIGKILL");
      process.exit(outcome === "held" ? 0 : 1);
    });
  } else if (request.url === "/page.js") {
    response.setHeader("content-type", "text/javascript");
    response.end(readFileSync(page));
  } else {
    response.setHeader("content-type", "text/html");
    response.end('<!doctype html><div id="root"></div><script src="/page.js"></script>');
  }
});

let browser;
setTimeout(() => {
  console.error("the page said nothing");
  browser.kill("SIGKILL");
  process.exit(1);
}, 120_000);
server.listen(0, "127.0.0.1", () => {
  const address = `http://127.0.0.1:${server.address().port}/?api=${encodeURIComponent(api)}`;
  const options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
  browser = spawn("chromium", [...options, `--user-data-dir=${folder}`, address], { stdio: "ignore" });
});
