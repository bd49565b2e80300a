// Finding the checkpoint from which a conversation branches off.

import { post } from "./api.js";

const PAGE = 50;

/** The `checkpoint_id` of the state before that message came; throws when it is not in the history. */
export async function branchBefore(threadId, messageId) {
  let first = null; // the oldest checkpoint that has the message
  let before = null;
  for (;;) {
    const select = ["checkpoint_id", "parent_checkpoint_id", "values.messages"];
    const page = await post(`/threads/${threadId}/history`, { limit: PAGE, before, select });
    for (const state of page) {
      const has = (state.values?.messages ?? []).some((message) => message.id === messageId);
      if (has) first = state;
      else if (first && state.checkpoint_id === first.parent_checkpoint_id)
        return { checkpoint_id: state.checkpoint_id };
    }
    if (page.length < PAGE) break;
    before = page.at(-1).checkpoint_id;
  }
  if (first?.parent_checkpoint_id) return { checkpoint_id: first.parent_checkpoint_id };
  throw new Error("The history does not say what came before this message, so nothing can go on from there.");
}
