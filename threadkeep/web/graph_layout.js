// Where the nodes of a graph stand: layers by the longest way from the start, in each layer near what they follow.

const WIDTH = 128;
const HEIGHT = 36;
const GAP_X = 28;
const GAP_Y = 40;

/** `{nodes: [{id, x, y, width, height}], edges: [{source, target, conditional, points, back}], width, height}` */
export function layout({ nodes, edges }) {
  const ids = nodes.map((node) => String(node.id));
  const depth = depths(ids, edges);
  const layers = ordered(ids, edges, depth);
  const width = Math.max(...layers.map((layer) => layer.length)) * (WIDTH + GAP_X) + 2 * GAP_X;
  const placed = new Map();
  layers.forEach((layer, row) => {
    const left = (width - layer.length * (WIDTH + GAP_X) + GAP_X) / 2;
    layer.forEach((id, place) =>
      placed.set(id, {
        id,
        x: left + place * (WIDTH + GAP_X),
        y: 12 + row * (HEIGHT + GAP_Y),
        width: WIDTH,
        height: HEIGHT,
      }),
    );
  });
  const lines = edges.map((edge) => ({
    ...edge,
    ...route(placed.get(String(edge.source)), placed.get(String(edge.target)), depth, width),
  }));
  return { nodes: [...placed.values()], edges: lines, width, height: layers.length * (HEIGHT + GAP_Y) };
}

// Depth by a walk that leaves out edges back to what it came through, so that cycles have an end.
function depths(ids, edges) {
  const after = new Map(ids.map((id) => [id, []]));
  for (const { source, target } of edges) if (source !== target) after.get(String(source))?.push(String(target));
  const forward = new Map(ids.map((id) => [id, []]));
  const state = new Map();
  const walk = (id) => {
    state.set(id, "open");
    for (const next of after.get(id)) {
      if (state.get(next) === "open") continue;
      forward.get(id).push(next);
      if (!state.has(next)) walk(next);
    }
    state.set(id, "done");
  };
  for (const id of [...ids].sort((a, b) => (b === "__start__") - (a === "__start__"))) if (!state.has(id)) walk(id);
  const depth = new Map(ids.map((id) => [id, 0]));
  for (let round = 0; round < ids.length; round++) {
    let moved = false;
    for (const [id, targets] of forward) {
      for (const next of targets) {
        if (depth.get(next) >= depth.get(id) + 1) continue;
        depth.set(next, depth.get(id) + 1);
        moved = true;
      }
    }
    if (!moved) break;
  }
  if (depth.has("__end__")) depth.set("__end__", Math.max(...depth.values(), 1));
  return depth;
}

function ordered(ids, edges, depth) {
  const layers = [];
  for (const id of ids) (layers[depth.get(id)] ??= []).push(id);
  const rows = layers.filter(Boolean);
  rows.slice(1).forEach((row, at) => {
    const above = new Map(rows[at].map((id, place) => [id, place]));
    const middle = (id) => {
      const places = edges
        .filter((edge) => String(edge.target) === id && above.has(String(edge.source)))
        .map((edge) => above.get(String(edge.source)));
      return places.length ? places.reduce((sum, one) => sum + one, 0) / places.length : above.size / 2;
    };
    row.sort((a, b) => middle(a) - middle(b));
  });
  return rows;
}

// Down by a curve between the layers; back, or far down, round the side, so that no line crosses a node's name.
function route(from, to, depth, width) {
  if (!from || !to) return { path: "", back: false };
  const [fx, tx] = [from.x + from.width / 2, to.x + to.width / 2];
  if (from === to) {
    const [x, y] = [from.x + from.width, from.y + from.height / 2];
    return { path: `M${x} ${y - 8} c26 -10 26 26 0 16`, back: true };
  }
  const down = depth.get(to.id) - depth.get(from.id);
  if (down === 1) {
    const [y1, y2] = [from.y + from.height, to.y];
    return { path: `M${fx} ${y1} C${fx} ${y1 + GAP_Y / 2} ${tx} ${y2 - GAP_Y / 2} ${tx} ${y2}`, back: false };
  }
  const right = down > 1 ? (fx + tx) / 2 >= width / 2 : (fx + tx) / 2 < width / 2;
  const [x1, x2] = right ? [from.x + from.width, to.x + to.width] : [from.x, to.x];
  const out = right ? Math.max(x1, x2) + 22 + 5 * Math.abs(down) : Math.min(x1, x2) - 22 - 5 * Math.abs(down);
  const [y1, y2] = [from.y + from.height / 2, to.y + to.height / 2];
  return { path: `M${x1} ${y1} C${out} ${y1} ${out} ${y2} ${x2} ${y2}`, back: down < 0 };
}
