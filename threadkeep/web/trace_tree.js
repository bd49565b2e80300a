// What a trace's spans are to each other: who is within whom, where each lies on the time axis, from where to go again.

/** The spans depth first, each `{span, depth, from, until}` in seconds from the first one's start. */
export function laidOut(spans, now = Date.now()) {
  const ids = new Set(spans.map((span) => span.span_id));
  const below = new Map();
  for (const span of spans) {
    const parent = ids.has(span.parent_id) ? span.parent_id : null;
    if (!below.has(parent)) below.set(parent, []);
    below.get(parent).push(span);
  }
  const zero = Math.min(...spans.map(startOf));
  const rows = [];
  const walk = (parent, depth) => {
    for (const span of below.get(parent) ?? []) {
      const from = (startOf(span) - zero) / 1000;
      rows.push({ span, depth, from, until: span.seconds === null ? (now - zero) / 1000 : from + span.seconds });
      walk(span.span_id, depth + 1);
    }
  };
  walk(null, 0);
  return rows;
}

/** Microseconds count: many a call is shorter than what Date tells apart. */
function startOf(span) {
  const [, micros] = /\.\d{3}(\d{3})/.exec(span.started_at) ?? [null, "0"];
  return Date.parse(span.started_at) + Number(micros) / 1000;
}

/** The super-step of the graph's own node that the span is in; null when it is in none. */
export function stepOf(span, spans) {
  const byId = new Map(spans.map((one) => [one.span_id, one]));
  let step = null;
  for (let at = span; at; at = byId.get(at.parent_id)) if (at.kind === "node") step = at.step;
  return step;
}

/** "1.2 s", "340 ms", "0.4 ms". */
export function duration(seconds) {
  if (seconds >= 60) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  return seconds >= 0.01 ? `${Math.round(seconds * 1000)} ms` : `${(seconds * 1000).toFixed(1)} ms`;
}

/** Tokens and cost in words; empty when neither is known. */
export function spent(usage, cost) {
  const tokens = usage ? `${usage.input_tokens ?? 0} + ${usage.output_tokens ?? 0} tokens` : "";
  const dollars = typeof cost === "number" ? `$${cost.toFixed(cost < 0.01 ? 6 : 4)}` : "";
  return [tokens, dollars].filter(Boolean).join(" · ");
}
