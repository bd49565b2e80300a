// Progress that a graph tells between its super-steps (`custom` events), laid over the last state that is known.

export function overlaid(values, news) {
  if (news?.type === "plan" && Array.isArray(news.steps)) return { ...values, plan: news.steps };
  if (news?.type === "plan_step" && news.step?.id)
    return { ...values, plan: withSteps(values.plan ?? [], [news.step]) };
  if (news?.type === "thoughts" && Array.isArray(news.thoughts)) {
    const changed = Object.fromEntries(news.thoughts.map((thought) => [thought.id, thought]));
    return { ...values, tree: { ...values.tree, ...changed } };
  }
  return values;
}

function withSteps(plan, changed) {
  const found = new Map(changed.map((step) => [step.id, step]));
  return plan.map((step) => found.get(step.id) ?? step);
}

/** A plan as plan_execute keeps it: a list of steps with ids, tasks and statuses. */
export function planOf(values) {
  const plan = values?.plan;
  return Array.isArray(plan) && plan.length && plan.every((step) => step?.id && step.task && step.status) ? plan : null;
}

/** A search tree as tree_of_thought keeps it: thoughts by id, each with its parent. */
export function treeOf(values) {
  const tree = values?.tree;
  if (!tree || typeof tree !== "object" || Array.isArray(tree)) return null;
  const thoughts = Object.values(tree);
  return thoughts.length && thoughts.every((one) => one && "parent" in one && "status" in one) ? tree : null;
}
