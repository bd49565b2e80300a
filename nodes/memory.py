"""What of a long thread a model call is sent.

The thread itself keeps every message. A call is sent the latest whole turns that fit (a turn is a user's message and
all that followed it, so no tool result is ever parted from its call), and, when the run asked for it, a summary of
the turns before. Tokens are estimated without any download and corrected by what the provider reports.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from nodes.context import ModelContext
from nodes.model_call import PromptTooLongError
from nodes.state import Conversation
from nodes.tokens import estimated_tokens

Turn = list[AnyMessage]
T = TypeVar("T")
SHARES = (1.0, 0.5, 0.25, 0.0)
"""How much of `history_tokens` is used, attempt by attempt, when the provider finds a prompt too long."""
LONGEST_RESULT = 2000
"""Characters left of a tool result when nothing but the last turn is sent and even that is too long."""


def corrected_scale(sent: Sequence[BaseMessage], reported: int | None) -> float | None:
    """Reported tokens for one estimated token; None when nothing was reported."""
    return min(8.0, max(0.25, reported / estimated_tokens(sent))) if reported and sent else None


def turns(messages: Sequence[AnyMessage]) -> list[Turn]:
    """The messages by turn; what stands before the first user message is a turn of its own."""
    split: list[Turn] = []
    for message in messages:
        if not split or isinstance(message, HumanMessage):
            split.append([])
        split[-1].append(message)
    return split


def unsummarised(state: Conversation) -> list[AnyMessage]:
    """The messages after the last one that the summary holds."""
    messages, until = state["messages"], state.get("summarised_until")
    ids = [message.id for message in messages]
    return messages[ids.index(until) + 1 :] if until and until in ids else messages


def recent(state: Conversation, tokens: float) -> list[AnyMessage]:
    """The latest whole turns of at most `tokens` tokens; the last turn always, its tool results cut when it must be."""
    kept = [message for turn in latest(turns(unsummarised(state)), state, tokens) for message in turn]
    return [_cut(message) for message in kept] if not tokens else kept


def latest(split: list[Turn], state: Conversation, tokens: float) -> list[Turn]:
    """The last of the turns that are together at most `tokens` tokens; the very last one always."""
    left = tokens / (state.get("token_scale") or 1.0)
    for place in range(len(split) - 1, -1, -1):
        left -= estimated_tokens(split[place])
        if left < 0 and place < len(split) - 1:
            return split[place + 1 :]
    return split


def _cut(message: AnyMessage) -> AnyMessage:
    text = str(message.text)
    if isinstance(message, ToolMessage) and len(text) > LONGEST_RESULT:
        return message.model_copy(update={"content": f"{text[:LONGEST_RESULT]} ... (cut)"})
    return message


def conversation(
    state: Conversation, context: ModelContext, prompt: str, share: float = 1.0, known: str = ""
) -> list[BaseMessage]:
    """The messages of a call: the prompts with what is known, then the latest turns that fit `share` of the room."""
    blocks = [prompt]
    if context.instructions:
        blocks.append(context.instructions)
    if known:
        blocks.append(f"<memory>\n{known}\n</memory>")
    if summary := state.get("summary"):
        blocks.append(f"<summary>\n{summary}\n</summary>")
    return [SystemMessage("\n\n".join(blocks)), *recent(state, share * context.history_tokens)]


async def shortened_until_it_fits(ask: Callable[[float], Awaitable[T]]) -> T:
    """The result of `ask(share)`, with ever less history while the provider says that the prompt is too long."""
    for share in SHARES[:-1]:
        try:
            return await ask(share)
        except PromptTooLongError:
            continue
    return await ask(SHARES[-1])
