// A page that chats by @langchain/react, and tells the server it came from what went wrong, or that nothing did.
import { useEffect } from "react";
import { createRoot } from "react-dom/client";
import { useStream } from "@langchain/react";

const apiUrl = new URLSearchParams(location.search).get("api");

function Chat({ assistantId, transport, habit, done }) {
  const stream = useStream({ apiUrl, assistantId, transport });
  habit.latest = stream;
  useEffect(() => {
    habit.began ??= habit.run(() => habit.latest).then(done, (error) => done(error));
  });
  return <pre>{stream.messages.map((message) => message.text).join("\n")}</pre>;
}

async function until(what, holds) {
  const deadline = Date.now() + 20_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const habits = {
  announcing: async (stream) => {
    for (const [turn, text] of ["one", "two"].entries()) {
      stream().submit({ messages: [{ type: "human", content: text }] });
      const whole = () => stream().messages.filter((message) => message.text === "counted to 2").length === turn + 1;
      await until(`the answer to ${text}`, () => whole() && !stream().isLoading);
    }
    const shown = document.querySelector("pre").textContent;
    if (shown !== "one\ncounting\ncounted to 2\ntwo\ncounting\ncounted to 2") throw new Error(`shown: ${shown}`);
    await until("both tool calls", () => stream().toolCalls.filter((call) => call.status === "finished").length === 2);
  },
  nested: async (stream) => {
    stream().submit({ text: "sure?" });
    await until("the question", () => stream().interrupts[0]?.value === "really?" && !stream().isLoading);
    stream().respond("no");
    await until("the end", () => stream().values.text === "inner sure? no" && stream().interrupts.length === 0);
  },
  failing: async (stream) => {
    stream().submit({ how: "raise" });
    await until("the error", () => String(stream().error).includes("boom on purpose"));
  },
};

async function tryAll() {
  const root = createRoot(document.getElementById("root"));
  for (const transport of ["sse", "websocket"]) {
    for (const [assistantId, run] of Object.entries(habits)) {
      const error = await new Promise((done) => {
        const chat = { assistantId, transport, habit: { run }, done };
        root.render(<Chat key={`${transport} ${assistantId}`} {...chat} />);
      });
      if (error) return `${assistantId} by ${transport}: ${error}`;
    }
  }
  return "held";
}

tryAll().then((outcome) => fetch("/outcome", { method: "POST", body: outcome }));
