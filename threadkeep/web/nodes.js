// Which nodes of the graph work and which have worked, from the `tasks` events of a run.

/** `nodes` (name -> state) after one event: the start of a task names its triggers, its end has a result. */
export function nodesAfter(nodes, task) {
  if ("triggers" in task) return { ...nodes, [task.name]: "running" };
  if (task.error) return { ...nodes, [task.name]: "failed" };
  return { ...nodes, [task.name]: task.interrupts?.length ? "waiting" : "done" };
}
